"""Where the time of a dispatch goes: each part of it alone, in a loop: ``python -m bench.parts``.

Rules:
    1. A part is timed as the statement that it is in the package; the loop's own time is taken off.
    2. The least of many samples counts, since a part takes no less than that on this machine.
    3. Together they take less than the whole: in a short loop the processor guesses every jump right, and all that it
       needs is at hand.
"""

from __future__ import annotations

import timeit
from collections import deque
from typing import Any, Final

from .site import configure

SAMPLES: Final = 200
COUNT: Final = 2_000

PARTS: Final = {
    "the verb is called, and calls the short way": "verb('counter.add', 1); short(session, 'counter.add', 1, None)",
    "is an event loop running on this thread?": "_get_running_loop() is None",
    "find the session": "lookup = manager.lookup; lookup(id)",
    "take the turn and give it back": "session.turn.pop(); session.turn.append(None)",
    "say who has it": "session.owner = get_ident(); session.owner = 0",
    "find the reducer": "name, handle, local = session.direct['counter.add']",
    "note the time": "clock = session.supervisor.now; session.touched = now = clock()",
    "make the action": "Action(local, 1)",
    "the bare reducer call, with its new dict": "handle(action, before)",
    "take the slice and put the next": "slices = session.slices; slices[name] = slices[name]",
    "count the action and the version": "session.handled += 1; session.version = session.version + 1",
    "the history's record": "history.append(('counter.add', 1, None, now, name, before))",
    "what is not there: telemetry, queue, meta, subscribers": (
        "hot or session.queue or meta; session.subscriptions; session.queue"
    ),
}


def names() -> dict[str, Any]:
    """Return what the statements use."""
    from asyncio import _get_running_loop
    from threading import get_ident

    from phoenix_sessions import Action, sessions
    from phoenix_sessions.runtime.telemetry import hot

    from .floors import Shop

    ref = sessions.start_session("parts", Shop)
    ref.dispatch("counter.add", 1)
    session = sessions.supervisor.find("parts")
    name, handle, local = session.direct["counter.add"]

    def verb(
        type: str, payload: Any = None, *, reducers: None = None, reducer_prefix: None = None, meta: None = None
    ) -> None:
        """Do nothing, with the arguments of ``dispatch``."""

    def short(session: Any, type: str, payload: Any, meta: None = None) -> None:
        """Do nothing, with the arguments of the short way."""

    return {
        "_get_running_loop": _get_running_loop, "get_ident": get_ident, "Action": Action, "hot": hot, "verb": verb,
        "short": short, "manager": sessions, "id": "parts", "session": session, "name": name, "handle": handle,
        "local": local, "action": Action(local, 1), "before": session.slices[name], "now": 1.0, "meta": None,
        "history": deque(maxlen=100), "ref": ref,
    }  # fmt: skip


def least(statement: str, use: dict[str, Any]) -> float:
    """Return how long the statement takes at least (seconds)."""
    bound = ", ".join(f"{name}={name}" for name in use)
    made: dict[str, Any] = {}
    exec(f"def run(count, {bound}):\n    for _ in count:\n        {statement}", use, made)  # local, as in the package
    return min(timeit.repeat(lambda: made["run"](range(COUNT)), number=1, repeat=SAMPLES)) / COUNT


def main() -> None:
    """Print the parts, and the whole."""
    configure()
    use = names()
    loop = least("pass", use)
    parts = {part: least(statement, use) - loop for part, statement in PARTS.items()}
    whole = least("ref.dispatch('counter.add', 1)", use) - loop
    for part, seconds in parts.items():
        print(f"{seconds * 1e9:6.0f} ns  {part}")
    print(f"{sum(parts.values()) * 1e9:6.0f} ns  together, each alone")
    print(f"{whole * 1e9:6.0f} ns  a dispatch, with its history")


if __name__ == "__main__":
    main()
