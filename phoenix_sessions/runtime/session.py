"""A session: a store that lives, by one message at a time, over one or more lives.

Rules:
    1. Every message refreshes the idle time and takes the same way: mailbox, work, commit, subscribers.
    2. A handler that raises ends this life; the restart policy and its budget decide whether another begins. A handler
       refuses a message by raising CallFailed or CastFailed; that ends nothing.
    3. Timers, effects and history belong to a life and end with it.
    4. Subscriptions belong to the session: a new life tells them its epoch and all first values.
    5. After the end, every message that still waits is answered with SessionStopped.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from contextvars import Context
from threading import get_ident
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..core.action import Action
from ..core.errors import MailboxFull, SessionNotFound, SessionStopped
from ..core.mounts import EffectStep, Route
from ..core.state import is_state
from . import telemetry
from .departure import Departure
from .effect import Effect
from .effects import Effects
from .lives import Lives
from .message import Work
from .spec import Process, ProcessSpec
from .store import EMPTY, NO_DIRECT, Store
from .timers import Timer

if TYPE_CHECKING:
    from .supervisor import Supervisor

logger = logging.getLogger("phoenix_sessions")

UNBORN: Final = -1


class Session(Store):
    """One session of one supervisor.

    Attributes:
        touched: When the last message came (monotonic seconds).
        ended: Why the session is over, or None.
        instance: The user's process object of this life, once it was needed.
        bucket: Where the expiry has filed the session.
        restored: State from a snapshot, which every life begins with; or None.
    """

    shared: ClassVar[bool] = False
    """Whether its truth is elsewhere, so that what changes it is a flow."""

    stored: ClassVar[bool] = False
    """Whether a shared backend has it."""

    sure_until: float = math.inf
    """Until when (monotonic seconds) it is this worker's without a question, which short ways do not ask."""

    __slots__ = (
        "__weakref__", "_effects", "args", "bucket", "ended", "instance", "lives", "restored", "started_at",
        "timers", "touched", "ttl",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        spec: ProcessSpec,
        args: Any,
        ttl: float | None,
        supervisor: Supervisor,
        restored: Mapping[str, Any] | None = None,
    ) -> None:
        # Of all three classes, since constructors that call each other make a start longer by a tenth.
        self.id = id
        self.background = supervisor.background
        self.turn = [None]
        self.turn.pop()  # busy until the first life has begun
        self.owner = 0
        self.queue = None
        self._suspended = None
        self.spec = spec
        self.supervisor = supervisor
        self.slices = EMPTY
        self.copy = None
        self.direct = NO_DIRECT
        self.version = UNBORN
        self.epoch = 0
        self.handled = 0
        self.history = None
        self.subscriptions = None
        self._memo = None
        self._once = None
        self._pacing = None
        self.args = args
        self.ttl = ttl
        self.restored = restored
        self.touched = self.started_at = supervisor.now()
        self.bucket: set[Session] | None = None
        self.ended: str | None = None
        self.lives: Lives | None = None
        self.timers: set[Timer] | None = None
        self._effects: Effects | None = None
        self.instance: Process | None = None

    @property
    def process(self) -> Process:
        """The user's process object of this life, made when first needed."""
        if self.instance is None:
            self.instance = self.spec.process(self)
        return self.instance

    @property
    def alive(self) -> bool:
        """Whether the session has begun its first life and is not over."""
        return self.ended is None and self.version != UNBORN

    def first_life(self) -> None:
        """Begin the first life of an unborn session.

        Raises:
            Exception: Whatever ``init_state`` raised; the session is over before it began.
        """
        self.owner = get_ident()
        try:
            self.begin()
            self.supervisor.expiry.file(self)
        except BaseException:
            self.ended = "failed to start"
            self._end_work()
            self.supervisor.forget(self)
            raise
        finally:
            self.release()

    @property
    def in_doubt(self) -> bool:
        """Whether it may be another worker's by now."""
        return False

    def surely(self, *message: Any) -> tuple[Any, ...]:
        """Return a message for ``ask`` that is handled only if the session is this worker's when its turn comes."""
        return message

    # -- a life ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a life from nothing.

        Raises:
            Exception: Whatever ``init_state`` of the process or of a reducer raised.
        """
        self.open(self.newborn())

    def newborn(self) -> dict[str, Any]:
        """Return the state that a life begins with.

        Raises:
            Exception: Whatever ``init_state`` of the process or of a reducer raised.
        """
        self.instance = None
        own = self._own_state() if self.spec.own_state else None
        slices = self.spec.mounts.init_state()
        if own:
            if both := own.keys() & slices.keys():
                raise ValueError(f"init_state of {self.spec.process!r} returned keys that are slices: {sorted(both)}")
            slices.update(own)
        if self.restored is not None:
            slices.update(self.restored)
        return slices

    def _own_state(self) -> Mapping[str, Any]:
        own = self.process.init_state(self.args)
        if not is_state(own):
            raise TypeError(f"init_state of {self.spec.process!r} returned {own!r}: it must be a mapping with str keys")
        return own

    def crash(self, error: BaseException) -> None:
        """End this life after a handler raised, and begin another if the policy and the budget allow it."""
        logger.error("session %s crashed", self.id, exc_info=error)
        telemetry.execute(telemetry.SESSION_CRASH, {"count": 1}, self.metadata(error=error))
        self.finish_life("crash")

    def finish_life(self, reason: str) -> None:
        """End this life by its own doing; the restart policy decides what follows."""
        self._say_goodbye(reason)
        while self.spec.restart.again(reason) and self._may_restart():
            try:
                self.begin()
            except Exception:
                logger.exception("session %s failed to restart", self.id)
                self._end_work()
                reason = "crash"
                continue
            telemetry.execute(telemetry.SESSION_RESTART, {"count": 1}, self.metadata(reason=reason))
            if self.subscriptions is not None:
                self._tell(self.subscriptions.restart(self.state))
            return
        self._end("terminated", reason)

    def _may_restart(self) -> bool:
        if self.lives is None:
            self.lives = Lives()
        return self.lives.spend(self.supervisor.clock.monotonic())

    def _say_goodbye(self, reason: str) -> None:
        self._end_work()
        if self.spec.quiet_end:
            return
        try:
            self.process.on_terminate(reason, self.state)
        except Exception:
            logger.exception("on_terminate of session %s failed", self.id)

    def _end_work(self) -> None:
        """End the timers and effects of this life, and the short ways into it."""
        self.direct = NO_DIRECT
        if self.timers is not None:
            for timer in tuple(self.timers):  # some may fire meanwhile
                timer.cancel()
            self.timers = None
        if self._effects is not None:
            self._effects.end()
            self._effects = None

    def _end(self, event: str, reason: str) -> None:
        self.ended = reason
        self.instance = None
        self.supervisor.forget(self)
        if telemetry.SESSION_STOP in telemetry.attached:
            lifetime = self.supervisor.now() - self.started_at
            telemetry.execute(telemetry.SESSION_STOP, {"duration": lifetime}, self.metadata(reason=reason))
        if self.subscriptions is not None:
            for subscriber in self.subscriptions.subscribers:
                if subscriber.active:
                    subscriber.active = False
                    self._guarded("receiver", subscriber.receiver.ended, event, reason)

    # -- work: what runs in the mailbox --------------------------------------------------------------------------

    def enter(self) -> None:
        """Note that a message came.

        Raises:
            SessionStopped: The session is over.
            SessionNotFound: It never began.
        """
        if self.ended is not None:
            raise SessionStopped(self.id, self.ended)
        if self.version == UNBORN:
            raise SessionNotFound(self.id)
        self.touched = self.supervisor.clock.monotonic()

    def touch(self) -> None:
        """Put off the expiry."""
        self.touched = self.supervisor.clock.monotonic()

    def apply(self, action: Action, route: Route, origin: str = "dispatch") -> int:
        """Apply an action and return the version after it; first cancel the effects that it names.

        Raises:
            ReducerError, StateMutated: Nothing was changed.
        """
        if (
            self._effects is not None and "cancel_ref" in action.meta and origin != "debounce"
        ):  # it has cancelled before
            self._effects.cancel(action.meta["cancel_ref"])
        return super().apply(action, route, origin)

    def start_effects(self, action: Action, steps: tuple[EffectStep, ...], context: Context) -> list[Effect]:
        """Start what the mounts do for an action, after cancelling the effects that it names; returns the effects.

        Args:
            action: The action.
            steps: The mounts that it concerns.
            context: Who sends it; whoever handles it may be somebody else.

        Raises:
            MailboxFull: Too many effects wait; none was started.
        """
        self.enter()
        if self._effects is None:
            self._effects = Effects(self, self.spec.max_effects)
        if "cancel_ref" in action.meta:
            self._effects.cancel(action.meta["cancel_ref"])
        for mount, function, type_, _, _ in steps:
            if function is None:
                local = Action(type_, action.payload, action.meta)
                self._guarded("unmatched", self.spec.unmatched, local, mount.reducer, mount.name)
        if not steps:
            self._guarded("unmatched", self.spec.unmatched, action, None, None)
        return self._effects.start(action, tuple(step for step in steps if step.function is not None), context)

    @property
    def effects_under_way(self) -> int:
        """How many effects run or wait (count)."""
        return 0 if self._effects is None else len(self._effects)

    def later(self, delay: float, pure: bool, work: Work, *args: Any) -> Timer:
        """Post work in ``delay`` seconds, unless this life ends before or the timer is cancelled."""
        live = self.timers = self.timers if self.timers is not None else set()

        def fire() -> None:
            live.discard(timer)
            try:
                self.post(pure, self._in_life, live, work, *args)
            except MailboxFull as error:
                self.report(error, "timer")

        timer = Timer(fire, live)
        live.add(timer)
        self.supervisor.timers.start(timer, delay)
        return timer

    def _in_life(self, timers: set[Timer], work: Work, *args: Any) -> Any:
        """Do the work if the life that these timers are of goes on."""
        return work(*args) if timers is self.timers else None

    def purge_subscriptions(self) -> None:
        """Forget those who have unsubscribed, which counts as a message."""
        if self.ended is None and self.subscriptions is not None:
            self.touched = self.supervisor.clock.monotonic()
            self.subscriptions.purge(self.version)
            telemetry.execute(telemetry.UNSUBSCRIBE, {"count": 1}, self.metadata())

    @property
    def unwritten(self) -> bool:
        """Whether something of it would be lost now that should be kept."""
        return False

    def terminate(self, reason: str) -> None:
        """End the session for good, whatever its restart policy."""
        if self.ended is None:
            self._say_goodbye(reason)
            self._end("terminated", reason)

    def shut_down(self) -> None:
        """Leave this OS process, which stops."""
        self.terminate(Departure.SHUTDOWN)

    def expire(self) -> None:
        """End the session if it is idle for its TTL, nobody is subscribed, and it has not ended."""
        if self.ended is not None or self.ttl is None:
            return
        now = self.supervisor.clock.monotonic()
        if self.spec.keep_alive and self.subscriptions:
            self.touched = now
        if self.touched + self.ttl > now:
            self.supervisor.expiry.file(self)
            return
        telemetry.execute(telemetry.SESSION_EXPIRE, {"idle": now - self.touched}, self.metadata())
        self._say_goodbye("expired")
        self._end("session_expired", "expired")

    def move(self, new_id: str) -> None:
        """Go on under another id."""
        self.enter()
        self.supervisor.registry.rename(self, new_id)
        if self.subscriptions is not None:
            for subscriber in tuple(self.subscriptions.subscribers):
                if subscriber.active:
                    self._guarded("receiver", subscriber.receiver.moved, new_id)
