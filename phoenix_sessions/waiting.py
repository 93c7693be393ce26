"""The one rule for both worlds: a verb that can wait is not used on the thread of a running event loop."""

from __future__ import annotations

from asyncio import _get_running_loop

from django.core.exceptions import SynchronousOnlyOperation


def refuse_on_event_loop(verb: str, instead: str | None = None) -> None:
    """Raise SynchronousOnlyOperation if the thread runs an event loop, on every backend."""
    if _get_running_loop() is not None:
        cure = instead or (
            f"use its async twin (a{verb}), or one of those that never wait (dispatch_nowait, cast, ref.touch, "
            f"ref.state)"
        )
        raise SynchronousOnlyOperation(
            f"{verb} can wait, so it must not be used on a thread with a running event loop; {cure}"
        )
