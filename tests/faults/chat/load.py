"""Talkers at work while something goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from faults.load import Trouble

from .ground import Ground
from .talker import Talker
from .verdict import Sent, Verdict, judge, last_places, sent_by

Cause = Callable[[Trouble], None]
Others = Callable[[], list[Sent]]


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        verdict: About all messages.
        seconds: How long the talkers took.
        catching_up: How long the last listener took, from then, until it had seen everything (seconds).
        trouble: What went wrong.
        late: Who did not end in time.
    """

    verdict: Verdict
    seconds: float
    catching_up: float
    trouble: Trouble
    late: list[str] = field(default_factory=list)


def talk(
    ground: Ground,
    talkers: Sequence[Talker],
    cause: Cause,
    *,
    patience: float,
    whole: bool = False,
    others: Others | None = None,
) -> Outcome:
    """Let the talkers talk while there is trouble; returns when all have seen everything, or it has taken too long.

    Args:
        ground: It must be whole again when the trouble returns.
        talkers: Who talks and listens; of each conversation, somebody.
        cause: The trouble, on a thread of its own; what it raises is raised here.
        patience: How long the talkers may take, and then again how long it may take them to catch up (seconds).
        whole: Whether the talkers go on, beyond their messages, until the trouble is over by itself.
        others: Who sends beside the talkers, on a thread of its own; returns what.
    """
    trouble = Trouble()
    if whole:
        for talker in talkers:
            talker.goes_on = trouble.done
    return asyncio.run(_talk(ground, talkers, cause, trouble, patience, others))


async def _talk(
    ground: Ground, talkers: Sequence[Talker], cause: Cause, trouble: Trouble, patience: float, others: Others | None
) -> Outcome:
    start = time.monotonic()
    running = [asyncio.ensure_future(talker.run()) for talker in talkers]
    sending = asyncio.ensure_future(asyncio.to_thread(others or list))
    causing = asyncio.ensure_future(asyncio.to_thread(_cause, cause, trouble))
    try:
        late = await _until_done(talkers, running, causing, patience)
        told = await sending
        seconds = time.monotonic() - start
        trouble.over.set()
        await causing
        last = await asyncio.to_thread(last_places, ground, {talker.conversation for talker in talkers})
        late += await _until_caught_up(talkers, running, last, patience)
    finally:
        trouble.over.set()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, sending, causing, return_exceptions=True)
    catching_up = time.monotonic() - start - seconds
    verdict = await asyncio.to_thread(judge, ground, [*map(sent_by, talkers), *told], talkers)
    return Outcome(verdict, seconds, catching_up, trouble, late)


def _cause(cause: Cause, trouble: Trouble) -> None:
    try:
        cause(trouble)
    finally:
        trouble.done.set()


async def _until_done(
    talkers: Sequence[Talker], running: Sequence[asyncio.Task[None]], causing: asyncio.Future[None], patience: float
) -> list[str]:
    """Wait until all talkers are done; returns who is not in time."""
    deadline = time.monotonic() + patience
    while late := [f"{talker.name} is not done" for talker in talkers if not talker.done.is_set()]:
        _raise_failure(*running, causing)
        if time.monotonic() > deadline:
            return late
        await asyncio.sleep(0.1)
    return late


async def _until_caught_up(
    talkers: Sequence[Talker], running: Sequence[asyncio.Task[None]], last: dict[str, int], patience: float
) -> list[str]:
    """Wait until all talkers have seen the last message; returns who has not in time."""
    deadline = time.monotonic() + patience
    while late := [f"{each.name} is behind" for each in talkers if each.last_seq < last[each.conversation]]:
        _raise_failure(*running)
        if time.monotonic() > deadline:
            return late
        await asyncio.sleep(0.05)
    return late


def _raise_failure(*futures: asyncio.Future[None]) -> None:
    for future in futures:
        if future.done():
            future.result()
