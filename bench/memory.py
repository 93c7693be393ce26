"""Bytes per idle session, each kind in a fresh process: ``python -m bench.memory KIND``.

Rules:
    1. Ids, and a list with room for what is built, exist before the count begins; our own registry grows meanwhile.
    2. It is what the process grew by (resident set). The state, two small slices, is part of every kind.
    3. ``state`` is the user's own state objects alone, the dicts of the two slices; ``changed state`` is the new
       dicts of ``ENTRIES`` changes, which a history keeps whatever it costs itself.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .measure import Fact

ENTRIES = 100


def measure() -> Iterator[Fact]:
    """Measure the bytes per session of each kind, and what follows from them."""
    each = {kind: _in_fresh_process(kind) for kind in KINDS}
    ours = each["ours"]
    for kind in ("ours", "state", "asyncio task", "pykka", "thread and queue"):
        yield Fact(f"idle session with its state: {kind}", each[kind], "bytes")
    yield Fact("idle session, beyond the id and the state", ours - each["state"], "bytes", at_most=600)
    yield Fact("idle session, ours / asyncio task", ours / each["asyncio task"], "x", at_most=1 / 4)
    yield Fact("idle session, ours / pykka", ours / each["pykka"], "x", at_most=1 / 15)
    history = each["ours, changed"] - each["ours, unchanged"] - each["changed state"]
    yield Fact(f"entry of a history of {ENTRIES}, beyond the state", history / ENTRIES, "bytes", at_most=150)


def _in_fresh_process(kind: str) -> float:
    command = [sys.executable, "-m", "bench.memory", kind]
    root = Path(__file__).resolve().parent.parent
    return float(subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout)


def resident_bytes() -> int:
    """Return how much of this process is in memory (bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _start(names: list[str], slots: list[Any]) -> None:
    from phoenix_sessions import sessions

    from .floors import Shop

    for name in names:
        sessions.start_session(name, Shop)


def _start_and_change(names: list[str], slots: list[Any]) -> None:
    from phoenix_sessions import sessions

    _start(names, slots)
    for name in names:
        ref = sessions.ref(name)
        for _ in range(ENTRIES):
            ref.dispatch("counter.add", 1)


def _state(names: list[str], slots: list[Any]) -> None:
    from .floors import cart, counter

    for place in range(0, 2 * len(names), 2):
        slots[place], slots[place + 1] = counter.init_state(), cart.init_state()


def _changed_state(names: list[str], slots: list[Any]) -> None:
    from .floors import ADD, counter

    for session in range(len(names)):
        state = counter.init_state()
        for change in range(ENTRIES):
            slots[session * ENTRIES + change] = state = counter.add(ADD, state)


def _tasks(names: list[str], slots: list[Any]) -> None:
    from . import peers

    slots[: len(names)] = peers.loop.run_until_complete(peers.start_tasks(len(names)))


def _actors(names: list[str], slots: list[Any]) -> None:
    from .peers import PykkaSession

    for place in range(len(names)):
        slots[place] = PykkaSession.start()


def _threads(names: list[str], slots: list[Any]) -> None:
    from .peers import ThreadSession

    for place in range(len(names)):
        slots[place] = ThreadSession()


KINDS = {
    "ours": (_start, 100_000),
    "state": (_state, 100_000),
    "asyncio task": (_tasks, 20_000),
    "pykka": (_actors, 1_000),
    "thread and queue": (_threads, 1_000),
    "ours, changed": (_start_and_change, 2_000),
    "ours, unchanged": (_start, 2_000),
    "changed state": (_changed_state, 2_000),
}
"""What builds each kind, and how many sessions (count)."""


def main(kind: str) -> float:
    """Return the bytes per session of this process."""
    from .floors import ids
    from .site import configure

    configure()
    build, count = KINDS[kind]
    names, one, slots = ids(count), [None] * ENTRIES, [None] * (count * ENTRIES if "changed" in kind else 2 * count)
    build(ids(1), one)
    gc.collect()
    before = resident_bytes()
    build(names, slots)
    gc.collect()
    return (resident_bytes() - before) / count


if __name__ == "__main__":
    print(main(sys.argv[1]), flush=True)
    os._exit(0)  # thousands of tasks and threads need no farewell
