"""What a handler of a session process returns, and when its life begins again.

Rules:
    1. ``handle_call`` returns ``Reply`` or ``Stop``; ``handle_cast`` and ``handle_info`` return ``NoReply`` or
       ``Stop``.
    2. A state that is left out is the state as it was.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Final

import msgspec


class _Unchanged(enum.Enum):
    UNCHANGED = enum.auto()


UNCHANGED: Final = _Unchanged.UNCHANGED


class Reply(msgspec.Struct, frozen=True):
    """Answer a call.

    Attributes:
        value: What ``ref.call`` returns.
        state: The session's next state, a mapping that still has every slice.
        effects: What ``dispatch_async`` is to start once that is committed: types, or (type, payload).
    """

    value: Any = None
    state: Any = UNCHANGED
    effects: Sequence[str | tuple[str, Any]] = ()


class NoReply(msgspec.Struct, frozen=True):
    """Go on with this state.

    Attributes:
        state: The session's next state, a mapping that still has every slice.
        effects: As for ``Reply``.
    """

    state: Any = UNCHANGED
    effects: Sequence[str | tuple[str, Any]] = ()


class Stop(msgspec.Struct, frozen=True):
    """End this life of the session; the restart policy decides whether another one begins.

    Attributes:
        reason: Why; ``"normal"`` is no failure.
        state: What ``on_terminate`` gets.
        value: What the waiting caller gets, if it was a call.

    Source: OTP ``gen_server``'s ``{stop, Reason, Reply, State}``.
    """

    reason: str = "normal"
    state: Any = UNCHANGED
    value: Any = None


class Restart(enum.Enum):
    """When a session begins a new life after the last one ended by itself.

    Source: OTP supervisor's restart types. Differs: terminate and expiry end a session under every policy.
    """

    PERMANENT = "permanent"
    """After a crash and after ``Stop``, whatever its reason."""
    TRANSIENT = "transient"
    """After a crash, and after ``Stop`` with another reason than "normal"."""
    TEMPORARY = "temporary"
    """Never."""

    def again(self, reason: str) -> bool:
        """Return whether a life that ended for this reason is followed by another."""
        if self is Restart.TRANSIENT:
            return reason != "normal"
        return self is Restart.PERMANENT
