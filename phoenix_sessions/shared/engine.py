"""What all sessions of a worker need of their shared backend: the engine, and how long to bear with it.

Rules:
    1. An engine that cannot be asked is asked again, with growing pauses, for ``patience`` seconds; then the sender
       gets ``BackendUnavailable``. Together with the backend's own timeout that bounds every wait.
    2. A commit that may have been done is sent again under its own name, so it is done once. If it cannot be told any
       more whether it was done, that is said, and it is not done again.
    3. A beginning or an end that may have been done, and then is found to be so, was done by who asked for it.
"""

from __future__ import annotations

import os
import random
import secrets
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

from ..backends.base import COMMIT_ID_BYTES, Backend, Commit, Point
from ..core.errors import BackendUnavailable, Conflict, SessionNotFound
from ..runtime import telemetry
from ..runtime.clock import Clock
from ..runtime.flow import Request, Steps
from .ends import Ends
from .ownership import HandedOver
from .pulse import Pulse

if TYPE_CHECKING:
    from .hub import Hub

FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.5
TTL_MARGIN: Final = 1.1
TTL_EXTRA: Final = 2.0
"""The engine's time to live is longer than the session's by these, as workers tell it late of what only reads."""


class Engine:
    """A shared backend, as the sessions of one worker use it.

    Attributes:
        backend: The backend.
        clock: The worker's clock.
        patience: How long (seconds) an engine is asked again that cannot be asked.
        max_state_bytes: How large (bytes) the state of a session may be.
        passivate_after: How long (seconds) a session stays in memory that nobody here uses.
        owner_lease: How long (seconds) a session is its owner's that is heard of no more.
        worker: The name of this worker, in leases.
        ending: The sessions that have ended here, of which the engine does not know yet.
        handed_over: The sessions that were this worker's until just now.
        pulse: Whether this worker has stood still.
        hub: What tells the sessions here of changes elsewhere.
    """

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        patience: float,
        max_state_bytes: int,
        passivate_after: float,
        owner_lease: float,
        hub: Callable[[Engine], Hub],
    ) -> None:
        self.backend = backend
        self.clock = clock
        self.patience = patience
        self.max_state_bytes = max_state_bytes
        self.passivate_after = passivate_after
        self.owner_lease = owner_lease
        self.hub = hub(self)
        self.begin_again()
        _engines.add(self)

    def begin_again(self) -> None:
        """Be another worker, as a forked child is."""
        self.worker = secrets.token_hex(8)
        self.ending = Ends()
        self.handed_over = HandedOver(self.clock)
        self.pulse = Pulse(self.clock, self.owner_lease)
        self.hub.begin_again()

    def pause(self, seconds: float) -> Request:
        """Return the request to wait for some time."""
        return Request(self.clock.sleep, self.clock.asleep, (seconds,), pause=True)

    def ask(self, verb: str, *args: Any, given_up: Callable[[], None] | None = None) -> Steps:
        """Ask the engine for what may be asked twice, and return its answer; see rule 3.

        Args:
            verb: The backend's verb.
            args: Its arguments.
            given_up: Called when the patience is over.

        Raises:
            BackendUnavailable: It cannot be asked.
            SessionError: What the verb raises.
        """
        request = Request(getattr(self.backend, verb), getattr(self.backend, f"a{verb}"), args)
        patience = _Patience(self, str(args[0]) if args else "", given_up)
        while True:
            try:
                answer = yield request
                return answer
            except SessionNotFound:
                if patience.doubt and verb in ("delete", "expire"):
                    return None
                raise
            except Conflict as conflict:
                if patience.doubt and verb == "create" and Point(*conflict.record.at) == args[1].at:
                    return None
                raise
            except BackendUnavailable as error:
                pause = patience.bear(error)
            yield pause

    def ask_once(self, verb: str, *args: Any) -> Steps:
        """Ask the engine for what is a courtesy; raises at once what ``ask`` does."""
        return (yield Request(getattr(self.backend, verb), getattr(self.backend, f"a{verb}"), args))

    def commit(
        self, id: str, commit: Commit, *, given_up: Callable[[], None] | None = None
    ) -> Generator[Request, Any, tuple[bytes, ...]]:
        """Have the engine commit, once, and return the actions that it has seen before; see ``ask``.

        Raises:
            Conflict: The session is at another point.
            BackendUnavailable: It cannot be asked, or whether it was done cannot be told any more.
            SessionError: What the verb raises.
        """
        request = Request(self.backend.commit, self.backend.acommit, (id, commit))
        patience: _Patience | None = None
        while True:
            try:
                if patience is not None and patience.doubt and (yield from self._is_logged(id, commit)):
                    return ()
                repeated: tuple[bytes, ...] = yield request
                return repeated
            except Conflict as conflict:
                if patience is not None and patience.doubt and not self._is_known(commit, conflict):
                    raise BackendUnavailable("others have changed it since", maybe=True) from conflict
                raise
            except BackendUnavailable as error:
                patience = patience or _Patience(self, id, given_up)
                pause = patience.bear(error)
            yield pause

    def _is_known(self, commit: Commit, conflict: Conflict) -> bool:
        """Return whether the engine would still know a commit that it had done."""
        at = conflict.record.at
        return bool(at.epoch == commit.at.epoch and at.version - commit.at.version <= self.backend.remembers)

    def _is_logged(self, id: str, commit: Commit) -> Generator[Request, Any, bool]:
        """Return whether this is a note, which engines do not know by its id, and was made."""
        if commit.to != commit.at or not commit.log:
            return False
        return commit.log[-1] in (yield from self.ask_once("log", id))


class Unheard(BackendUnavailable):
    """Whoever waited for the answer has gone, for which the engine is not to blame."""

    def __init__(self) -> None:
        super().__init__("whoever waited for the answer has gone", maybe=True)


class _Patience:
    """How long one question is asked again.

    Attributes:
        doubt: Whether it may have been answered by one of the tries.
    """

    def __init__(self, engine: Engine, id: str, given_up: Callable[[], None] | None) -> None:
        self._engine = engine
        self._id = id
        self._given_up = given_up
        self._until: float | None = None
        self._pause = FIRST_PAUSE
        self.doubt = False

    def bear(self, error: BackendUnavailable) -> Request:
        """Return the pause before the next try.

        Raises:
            BackendUnavailable: There is none.
        """
        if not isinstance(error, Unheard):
            telemetry.execute(telemetry.UNAVAILABLE, {"count": 1}, {"session_id": self._id, "error": error})
        self.doubt = self.doubt or error.maybe
        now = self._engine.clock.monotonic()
        if self._until is None:
            self._until = now + self._engine.patience
        if now + self._pause > self._until:
            if self._given_up is not None:
                self._given_up()
            raise BackendUnavailable(error, maybe=self.doubt) from error
        pause, self._pause = self._pause, min(LONGEST_PAUSE, self._pause * 2)
        return self._engine.pause(pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret


def new_commit_id() -> bytes:
    """Return the name of a commit."""
    return os.urandom(COMMIT_ID_BYTES)  # not from ``random``, which a site may seed: then ids would come again


def engine_ttl(ttl: float | None) -> float | None:
    """Return the time to live that the engine is given (seconds) for the idle time of a session."""
    return None if ttl is None else ttl * TTL_MARGIN + TTL_EXTRA


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _after_fork() -> None:
    for engine in list(_engines):
        engine.begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
