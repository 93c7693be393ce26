"""How a chat bears a rate: one step, and the search for the highest rate that it bears.

Rules:
    1. A step has a warm-up of the same rate, which is not measured. It is given up when messages of a second wait.
    2. A rate is borne if 95 of 100 messages are back at their senders within ``LIMIT`` of when they were due, all come,
       and none is refused. A rate that is not borne is tried once more: other programs can only make it worse.
    3. The search raises the rate by half until it is not borne, and then halves the interval, ``HALVINGS`` times.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from time import perf_counter, process_time

from .chat_client import Crowd, Tally
from .processor import used
from .writers import Latencies

LIMIT = 0.025
"""Seconds."""
WARM_UP = 0.5
PATIENCE = 3.0
"""After how long (seconds) without anything coming the rest is taken for lost."""
LONGEST = 20.0
"""How long (seconds) is waited at all."""
LEAST, MOST = 100.0, 20_000.0
"""The rates (messages a second) at which the search begins, and at which it ends."""
FACTOR = 1.5
HALVINGS = 3


@dataclass(frozen=True)
class Step:
    """What was seen at one rate.

    Attributes:
        rate: Messages that were due, a second.
        tally: What the clients have seen, without the warm-up.
        settled: Whether everything came.
        server: Processor time of the server for a message (seconds).
        client: That of this process, likewise.
    """

    rate: float
    tally: Tally
    settled: bool
    server: float
    client: float

    def percentile(self, share: float) -> float:
        """Return how long this share (0 to 1) of the messages took at most (seconds); infinite if not all came."""
        took = [took for _, took in self.tally.echoes]
        took += [math.inf] * (self.tally.sent - len(took))
        return Latencies(took).percentile(share) if took else math.inf

    @property
    def late(self) -> float:
        """How late the client was with 95 of 100 (seconds)."""
        return Latencies(self.tally.late).percentile(0.95)

    @property
    def borne(self) -> bool:
        """Whether the server bears this rate."""
        return self.settled and not self.tally.refused and self.percentile(0.95) <= LIMIT


async def step(crowd: Crowd, pid: int, rate: float, seconds: float) -> Step:
    """Have a crowd talk to the server of this process id for some seconds."""
    crowd.tally = Tally()
    began = perf_counter()
    fine = await crowd.talk(rate, began, began + WARM_UP, most=rate)
    tally = crowd.tally = Tally()
    server, client = used(pid), process_time()
    if fine:
        began = perf_counter()
        fine = await crowd.talk(rate, began, began + seconds, most=rate)
    settled = await crowd.settle(PATIENCE, LONGEST)
    count = max(1, tally.sent)
    return Step(rate, tally, settled and fine, (used(pid) - server) / count, (process_time() - client) / count)


Try = Callable[[float], Awaitable[Step]]


def search() -> Generator[float, bool, float]:
    """Yield rates to be tried, be sent whether each was borne, and return the highest that was; 0 = none was.

    Callers may try the rates of several searches in turn.
    """
    low, high, rate = 0.0, math.inf, LEAST
    while high == math.inf and rate <= MOST:
        if (yield rate):
            low, rate = rate, rate * FACTOR
        else:
            high = rate
    for _ in range(HALVINGS if high < math.inf else 0):
        rate = (low + high) / 2
        if (yield rate):
            low = rate
        else:
            high = rate
    return low


async def highest(tries: dict[str, Try]) -> dict[str, tuple[float, Step | None]]:
    """Return the highest rate that each bears, and the step at it; each tries a rate, then the next one does."""
    searches = {name: search() for name in tries}
    wanted = {name: next(each) for name, each in searches.items()}
    found: dict[str, tuple[float, Step | None]] = dict.fromkeys(tries, (0.0, None))
    while wanted:
        for name, rate in list(wanted.items()):
            seen = await tries[name](rate)
            if not seen.borne:
                seen = await tries[name](rate)
            if seen.borne:
                found[name] = rate, seen
            try:
                wanted[name] = searches[name].send(seen.borne)
            except StopIteration:
                del wanted[name]
    return found
