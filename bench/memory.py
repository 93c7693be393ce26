"""Bytes per idle session, each contender in a fresh process: ``python -m bench.memory KIND COUNT rss|traced``.

Rules:
    1. Ids exist before the count begins; the state (two small slices) is part of every contender.
    2. ``rss`` is what the process grew by (resident set); ``traced`` is what tracemalloc saw of Python's own objects.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

COUNTS = {"ours": 100_000, "floor": 100_000, "task": 20_000, "thread": 1_000}
QUICK_COUNTS = {"ours": 10_000, "floor": 10_000, "task": 4_000, "thread": 300}


def measure(quick: bool) -> dict[str, dict[str, float]]:
    """Return the bytes per session of each contender: ``{"ours": {"count": n, "rss": b, "traced": b}, ...}``."""
    counts = QUICK_COUNTS if quick else COUNTS
    return {
        kind: {"count": count, **{how: _in_fresh_process(kind, count, how) for how in ("rss", "traced")}}
        for kind, count in counts.items()
    }


def _in_fresh_process(kind: str, count: int, how: str) -> float:
    command = [sys.executable, "-m", "bench.memory", kind, str(count), how]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return float(done.stdout)


def resident_bytes() -> int:
    """Return how much of this process is in memory (bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def _builder(kind: str) -> Callable[[list[str]], object]:
    from phoenix_sessions import sessions

    from . import peers
    from .floors import BareSession, Shop

    match kind:
        case "ours":
            return lambda names: [sessions.start_session(name, Shop) for name in names] and None
        case "floor":
            return lambda names: {name: BareSession() for name in names}
        case "task":
            return lambda names: dict(
                zip(names, peers.loop.run_until_complete(peers.start_tasks(len(names))), strict=True)
            )
        case "thread":
            return lambda names: {name: peers.ThreadSession() for name in names}
    raise SystemExit(f"unknown contender {kind!r}: ours, floor, task or thread")


def main(kind: str, count: int, how: str) -> float:
    """Return the bytes per session of this process."""
    from .floors import ids
    from .site import configure

    configure()
    build, names = _builder(kind), ids(count + 1)
    kept = [build(names[:1])]
    gc.collect()
    if how == "traced":
        tracemalloc.start()
    look = _traced if how == "traced" else resident_bytes
    before = look()
    kept.append(build(names[1:]))
    gc.collect()
    return (look() - before) / count


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]), flush=True)
    os._exit(0)  # thousands of tasks and threads need no farewell
