"""The effects of one life of a session: how many run, which wait, and that they end with the life.

Rules:
    1. An effect holds no mailbox: it runs beside the session and changes state only by dispatching, like anybody else.
    2. At most ``limit`` run at once; up to ``WAITING_LIMIT`` more wait, in their order.
    3. A cancelled plain function keeps its place until it has really returned, so threads are bounded too.
    4. The lock is held for bookkeeping only: nothing of the user's is called in it.
    5. What effects left to be called is kept for at most ``KEPT_LIMIT`` of them; one more, and the oldest is called.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

from ..core.action import Action
from ..core.errors import MailboxFull
from ..core.mounts import EffectStep
from .effect import Effect

if TYPE_CHECKING:
    from .session import Session

WAITING_LIMIT: Final = 1000
KEPT_LIMIT: Final = 1000


class Effects:
    """The effects of one life."""

    __slots__ = ("_delayed", "_kept", "_running", "_session", "_waiting", "limit", "lock", "over")

    def __init__(self, session: Session, limit: int) -> None:
        self._session = session
        self.limit = limit
        self.lock = threading.Lock()
        self.over = False
        self._running: set[Effect] = set()
        self._waiting: deque[Effect] = deque()
        self._delayed: dict[tuple[str, ...], Effect] = {}
        self._kept: dict[Effect, None] = {}

    def __len__(self) -> int:
        """Return how many run or wait (count)."""
        return len(self._running) + len(self._waiting) + len(self._delayed)

    @property
    def idle(self) -> bool:
        """Whether none runs or waits, nor has left anything to be called at the end."""
        return not (len(self) or self._kept)

    def start(self, action: Action, steps: tuple[EffectStep, ...], context: Context) -> list[Effect]:
        """Start what the mounts do for an action, each at its pace; returns the effects.

        Raises:
            MailboxFull: Too many wait; none was started.
        """
        if len(self._waiting) + len(steps) > WAITING_LIMIT:
            raise MailboxFull(self._session.id, WAITING_LIMIT, "effects")
        effects = [Effect(self._session, self, step, action, context) for step in steps]
        for effect, step in zip(effects, steps, strict=True):
            if step.pace is None:
                self.begin(effect)
            elif step.pace.trailing:
                self._delay(effect, step)
            else:
                self._throttle(effect, step)
        return effects

    def begin(self, effect: Effect) -> None:
        """Let an effect run when there is room for it."""
        with self.lock:
            if effect.over:
                return
            if runs := len(self._running) < self.limit:
                self._running.add(effect)
            else:
                self._waiting.append(effect)
        if runs and not effect.launch():
            self.leave(effect)

    def leave(self, effect: Effect) -> None:
        """Give the place of an effect that has returned to the next."""
        leaving: Effect | None = effect
        while leaving is not None:
            with self.lock:
                self._running.discard(leaving)
                following = self._waiting.popleft() if self._waiting and len(self._running) < self.limit else None
                if following is not None:
                    self._running.add(following)
            leaving = None if following is None or following.launch() else following

    def keep(self, effect: Effect) -> Effect | None:
        """Keep an effect for what it left; returns the oldest if they are too many; the caller holds the lock."""
        self._kept[effect] = None
        return next(iter(self._kept)) if len(self._kept) > KEPT_LIMIT else None

    def withdraw(self, effect: Effect) -> None:
        """Forget an effect that was cancelled; the caller holds the lock."""
        self._kept.pop(effect, None)
        self._delayed = {key: each for key, each in self._delayed.items() if each is not effect}
        with contextlib.suppress(ValueError):
            self._waiting.remove(effect)

    def cancel(self, cancel_ref: Any) -> None:
        """Cancel the effects with this reference."""
        for effect in self._all():
            if effect.cancel_ref is not None and effect.cancel_ref == cancel_ref:
                effect.cancel()

    def end(self) -> None:
        """Cancel everything, because the life ends."""
        with self.lock:
            self.over = True
        for effect in self._all():
            effect.cancel()

    def _all(self) -> list[Effect]:
        with self.lock:
            return [*self._running, *self._waiting, *self._delayed.values(), *self._kept]

    def _delay(self, effect: Effect, step: EffectStep) -> None:
        key = (step.mount.name, step.type, "effect")
        if before := self._delayed.get(key):
            before.cancel()
        with self.lock:
            self._delayed[key] = effect
        assert step.pace is not None
        self._session.pacing.wait(self._session, key, step.pace, self._due, key, effect)

    def _due(self, key: tuple[str, ...], effect: Effect) -> None:
        with self.lock:
            if self._delayed.get(key) is effect:
                del self._delayed[key]
        self.begin(effect)

    def _throttle(self, effect: Effect, step: EffectStep) -> None:
        key, now = (step.mount.name, step.type, "effect"), self._session.supervisor.clock.monotonic()
        assert step.pace is not None
        if self._session.pacing.free(key, step.pace, now):
            self._session.pacing.ran(key, now)
            self.begin(effect)
        else:
            effect.cancel()
