"""Asking a Redis Cluster: each session's keys are on one node, of which ``Topology`` knows the way."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from ...core.errors import BackendError, BackendUnavailable
from .asks import ask
from .failures import FAILURES, translate
from .lines import Lines
from .links import Link, Sending
from .options import Options
from .scripts import SLOTS, Script
from .servers import Server
from .topology import Address, Flow, Step, Topology
from .walks import walk


class Cluster:
    """A cluster, for all threads of an OS process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._topology = Topology(options.address)
        self._servers: dict[Address, Server] = {}

    def run(self, script: Script, name: str, *parts: bytes) -> Any:
        """Run a script at the node that has its first key; see ``Server.run``."""
        return self._follow(ask(self._topology, script, parts), name, time.monotonic() + self._options.timeout)

    def walk(self, until: float, cursor: str | None, script: Script, *parts: bytes) -> tuple[list[Any], str | None]:
        """Run a script over some keys of a node; return its answer, and where to go on, None = that were all."""
        answer: tuple[list[Any], str | None] = self._follow(walk(self._topology, cursor, script, parts), "*", until)
        return answer

    def close(self) -> None:
        """Give up all connections."""
        for server in tuple(self._servers.values()):
            server.close()

    def _follow(self, flow: Flow, name: str, until: float) -> Any:
        try:
            step = next(flow)
            while True:
                try:
                    reply = self._ask(step, name, until)
                except BackendError as failure:
                    step = flow.throw(failure)
                else:
                    step = flow.send(reply)
        except StopIteration as end:
            return end.value

    def _ask(self, step: Step, name: str, until: float) -> Any:
        now = time.monotonic()
        if step.pause:
            time.sleep(min(step.pause, max(until - now, 0)))
        elif step.script is SLOTS:  # of which other nodes can be asked
            until = min(until, now + self._options.timeout / 4)
        return self._server(step.node).ask(step.script, name, step.parts, until, asking=step.asking)

    def _server(self, node: Address) -> Server:
        server = self._servers.get(node)
        if server is None:
            server = self._servers.setdefault(node, Server(self._options, host=node[0], port=node[1]))
            for gone in self._topology.gone(self._servers, node):
                if (left := self._servers.pop(gone, None)) is not None:  # else another thread has seen to it
                    left.close()
        return server


class ClusterLink:
    """One event loop's connections to a cluster."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._topology = Topology(options.address)
        self._links: dict[Address, Link] = {}

    async def run(self, script: Script, name: str, *parts: bytes) -> Any:
        """Run a script at the node that has its first key; see ``Server.run``."""
        return await self._follow(ask(self._topology, script, parts), name, self._options.timeout)

    async def walk(
        self, until: float, cursor: str | None, script: Script, *parts: bytes
    ) -> tuple[list[Any], str | None]:
        """Run a script over some keys of a node; return its answer, and where to go on, None = that were all."""
        flow = walk(self._topology, cursor, script, parts)
        answer: tuple[list[Any], str | None] = await self._follow(flow, "*", until - time.monotonic())
        return answer

    async def lines(self) -> Lines:
        """Return a new connection to each node for a watch, which are not open yet."""
        await self._follow(self._topology.learn(), "*", self._options.timeout)
        nodes, place = self._topology.places()
        return Lines([(await self._link(node)).line() for node in nodes], place, sharded=True)

    async def aclose(self) -> None:
        """Give up all connections but those of watches."""
        await asyncio.gather(*[link.aclose() for link in self._links.values()])

    async def _follow(self, flow: Flow, name: str, timeout: float) -> Any:
        sending = Sending()
        maybe = False
        try:
            async with asyncio.timeout(timeout):
                step = next(flow)
                while True:
                    try:
                        reply = await self._ask(step, name, sending)
                    except BackendError as failure:
                        maybe = sending.sent = maybe or (isinstance(failure, BackendUnavailable) and failure.maybe)
                        step = flow.throw(failure)
                    else:
                        step = flow.send(reply)
        except StopIteration as end:
            return end.value
        except TimeoutError as failure:
            raise BackendUnavailable(f"no answer within {timeout:g} s", maybe=sending.sent) from failure

    async def _ask(self, step: Step, name: str, sending: Sending) -> Any:
        if step.pause:
            await asyncio.sleep(step.pause)
        link = await self._link(step.node)
        if step.script is SLOTS:
            return await self._learn(link)
        try:
            return await link.ask(sending, step.script, step.parts, asking=step.asking)
        except FAILURES as failure:
            raise translate(failure, name, sent=sending.sent) from failure

    async def _learn(self, link: Link) -> Any:
        try:
            async with asyncio.timeout(self._options.timeout / 4):  # as other nodes can be asked too
                return await link.ask(Sending(), SLOTS, ())
        except FAILURES as failure:
            raise translate(failure, "*", sent=False) from failure

    async def _link(self, node: Address) -> Link:
        link = self._links.get(node)
        if link is None:
            link = self._links[node] = Link(self._options, host=node[0], port=node[1])
            for gone in self._topology.gone(self._links, node):
                if (left := self._links.pop(gone, None)) is not None:  # else another coroutine has seen to it
                    await left.retire()
        return link
