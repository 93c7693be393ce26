"""Push: one dispatch, and many sockets of one session that get the new value, through a real daphne.

Rules:
    1. Each contender has a daphne of its own and the same number of sockets; the client is this process.
    2. The floor is a loop that encodes once and sends to each: what daphne and channels cost.
    3. The time is from just before the dispatch, or the group_send, in the server until the last socket has its frame.
    4. Before the next push all frames are acknowledged, as session.js does (group_send's clients have nothing to
       acknowledge), and the server has come to rest; that is not part of the time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .. import layers
from ..measure import Contender, Effort, Fact, Figure, LeftOut, Measured, Row, run
from ..served import Daphne
from ..sockets import Socket, Sockets, room_for

OURS, FLOOR = "ours", "floor"
SOCKETS, FEWER = 1_000, 200
SECONDS = 0.5
"""A sample's length: a push to a thousand takes a while."""
FIGURE = Figure(layers.MEMORY, at_least=5)
"""Of a thousand sockets. With fewer, daphne's own work is more of the time, and the in-memory layer's less."""


class Pushed:
    """A contender's daphne, and its sockets."""

    def __init__(self, contender: str, count: int) -> None:
        self._ours = contender == OURS
        with contextlib.ExitStack() as stack:
            server = Daphne("bench.push_site:application", BENCH_CONTENDER=contender, BENCH_SOCKETS=str(count))
            stack.callback(server.stop)
            self._sockets = Sockets(server.port, "/live/", count)
            stack.callback(self._sockets.close)
            self._control = Socket(server.port, "/control/")
            stack.callback(self._control.close)
            if self._ours:
                self._settle()  # the first frames, with all values
            self.close = stack.pop_all().close

    def push(self, value: str) -> float:
        """Push a value; returns how long it took (seconds)."""
        self._control.say(["push", value])
        last = self._sockets.wait_for_all()
        took = last - self._control.wait()
        self._settle()
        return took

    def _settle(self) -> None:
        self._sockets.wait_for_all()
        self._sockets.answer(_acknowledgement if self._ours else lambda frame: None)
        self._control.ask("quiet")

    def encodings(self) -> int:
        """Return how often one push is encoded (count)."""
        before = self._control.ask("encoded")
        self.push("at")
        return self._control.ask("encoded") - before

    def pushes(self, value: str) -> Contender:
        return lambda count: sum(self.push(value) for _ in range(count))


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure the pushes."""
    count = FEWER if effort.quick else SOCKETS
    names = [OURS, FLOOR, *layers.names()]
    if not room_for(count * len(names)):
        yield LeftOut("push", f"a process may not open {count * len(names):,} sockets here: ulimit -Hn is less")
        return
    effort = replace(effort, seconds=SECONDS / 5 if effort.quick else SECONDS)
    figures = (FIGURE,) if count == SOCKETS else ()
    with contextlib.ExitStack() as stack:
        pushed: dict[str, Pushed] = {}
        for name in names:
            pushed[name] = Pushed(name, count)
            stack.callback(pushed[name].close)
        for value, what in (("count", "a count"), ("cart", "a cart of 20 lines")):
            contenders = {name: each.pushes(value) for name, each in pushed.items()}
            yield run(Row(f"{count:,} sockets, {what}", contenders, figures, limit=8), effort)
        yield Fact(f"{count:,} sockets: a frame is encoded", pushed[OURS].encodings(), "times", at_most=1)
    if why := layers.why_no_redis():
        yield LeftOut(f"{layers.PUBSUB}; {layers.REDIS}", why)


def _acknowledgement(frame: dict[str, Any]) -> dict[str, Any]:
    return {"type": "ack", "seq": frame["seq"]}
