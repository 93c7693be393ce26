"""Flows: work that has to wait for somebody in between, written once for threads and for event loops.

Rules:
    1. A flow is a generator. It yields requests, and is sent their answers, or thrown what they raised.
    2. Whoever runs it decides how requests are made: ``run`` waits on the thread, ``arun`` holds up no loop.
    3. Between two requests a flow only computes.

Source: httpx's authentication flows. Differs: nothing of a protocol is in here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from functools import partial
from typing import Any, NamedTuple

Steps = Generator["Request", Any, Any]


class Flow:
    """Work that was begun by nobody yet; what returns one wants it to be run."""

    __slots__ = ("steps",)

    def __init__(self, steps: Steps) -> None:
        self.steps = steps


class Request(NamedTuple):
    """Something to wait for.

    Attributes:
        run: Waits for it on this thread.
        arun: The coroutine function that does.
        args: What both are called with.
        pause: Whether it only lets time pass, so that nobody else need know whether that was all of it.
    """

    run: Callable[..., Any]
    arun: Callable[..., Coroutine[Any, Any, Any]]
    args: tuple[Any, ...] = ()
    pause: bool = False


def result_of(future: Future[Any], seconds: float | None = None) -> Request:
    """Return the request to wait for a future's result, which raises TimeoutError after so many seconds."""
    return Request(future.result, partial(_aresult_of, future), (seconds,))


async def _aresult_of(future: Future[Any], seconds: float | None) -> Any:
    async with asyncio.timeout(seconds):
        return await asyncio.shield(asyncio.wrap_future(future))


def run(steps: Steps) -> Any:
    """Run a flow on this thread and return what it returns."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            request = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value
        try:
            answer, error = request.run(*request.args), None
        except BaseException as raised:
            answer, error = None, raised


async def arun(steps: Steps) -> Any:
    """Run a flow on this event loop and return what it returns."""
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            request = steps.send(answer) if error is None else steps.throw(error)
        except StopIteration as stop:
            return stop.value
        try:
            answer, error = await request.arun(*request.args), None
        except BaseException as raised:
            answer, error = None, raised
