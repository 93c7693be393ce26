"""A session process that follows a stream, and reads again what it may have missed.

Rules:
    1. It listens before it reads, so it misses nothing in between.
    2. One read at a time; what asks for one meanwhile gets another, which begins later.
    3. While not everything comes it reads every second, until nobody has used it for 15 minutes.
    4. Reading holds up nobody: what is in memory is there for all who ask.
    5. It has one life: what it was started with is too old for another.
    6. RATE_LIMIT does not count it, as a thousand members may come back at once; MAX_SESSIONS does.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, ClassVar, Final, NamedTuple

from channels.db import database_sync_to_async

from phoenix_sessions import (
    BackendUnavailable,
    CastFailed,
    Gap,
    InvalidSessionId,
    NoReply,
    RateLimitExceeded,
    Restart,
    SessionAlreadyStarted,
    SessionError,
    SessionLimitReached,
    SessionNotFound,
    SessionProcess,
    SessionRef,
    SessionStopped,
    ShuttingDown,
    Stop,
    Stream,
    StreamEvent,
    sessions,
)

from .errors import ChatError, backpressure, unauthorized, unavailable
from .intake import Intake

POLL: Final = 1.0
"""How often is looked while not everything comes (seconds)."""
IDLE: Final = 900.0
"""How long a process stays that nobody uses (seconds)."""

State = dict[str, Any]


class Start(NamedTuple):
    """What a follower begins with.

    Attributes:
        intake: What comes out of its stream.
        subject: Whose it is.
        found: What was read since that listens.
    """

    intake: Intake
    subject: str
    found: Any


class Follower(SessionProcess):
    """What follows a stream; subclasses say what is read, and what becomes of it.

    It takes the casts ``"told"`` (there is something in its intake), ``("told", event)``, ``("found", future)``,
    ``"read"`` (read again now) and ``"used"``. With each it takes what has come; so who wants to know what it has now
    casts ``"used"`` first.

    Attributes:
        later: The names of events that it need not know at once.
    """

    later: ClassVar[frozenset[str]] = frozenset()

    reducers: ClassVar[tuple[()]] = ()
    durability: ClassVar[str] = "memory"
    ttl: ClassVar[float] = IDLE
    history_limit: ClassVar[int] = 0
    restart: ClassVar[Restart] = Restart.TEMPORARY
    rate_limited: ClassVar[bool] = False

    # -- what subclasses say -------------------------------------------------------------------------------------------

    def begin(self, found: Any) -> State:
        """Return the first state."""
        raise NotImplementedError

    def read(self) -> Future[Any]:
        """Begin to read, and return who will know."""
        raise NotImplementedError

    def told(self, event: StreamEvent, state: State) -> State:
        """Return what an event makes of the state; ``read_again`` if that is not sure."""
        raise NotImplementedError

    def found(self, found: Any, state: State) -> State:
        """Return what was read makes of the state."""
        raise NotImplementedError

    def lost(self) -> None:
        """Note that events may be missing."""

    # -- the life ------------------------------------------------------------------------------------------------------

    def init_state(self, args: Start) -> Mapping[str, Any]:
        """Return the first state."""
        self.subject = args.subject
        self._intake = args.intake
        self._reads = self._again = self._looks = False
        self._unused = 0.0
        return self.begin(args.found)

    def handle_cast(self, request: Any, state: Any) -> NoReply | Stop:
        """Take what was told or read."""
        after = state
        for item in self._intake.take():
            after = self._with_item(item, after)
        match request:
            case "told":
                pass
            case ("told", StreamEvent() as event):
                after = self.told(event, after)
            case ("found", Future() as future):
                self._reads = False
                if isinstance(error := future.exception(), ChatError) and error.code == "not_found":
                    return Stop("normal")
                if error is None:
                    after = self.found(future.result(), after)
                else:
                    self.lost()
                self._go_on(failed=error is not None)
            case "read":
                self._miss()
            case "used":
                self._unused = 0.0
            case _:
                raise CastFailed(request, "a follower does not know this message")
        if not self._intake.took_all():
            self._reads = False  # its answer may be what was not taken
            self._miss()
        self._look_later()
        return NoReply(after)

    def handle_info(self, message: Any, state: Any) -> NoReply | Stop:
        """Look, unless everything comes now or nobody has used it for too long."""
        self._looks = False
        self._unused += POLL
        if self._unused >= IDLE and not sessions.ref(self.session_id).facts.subscribers:
            return Stop("normal")
        if message == "again" or not self._intake.live:
            self._miss()
        self._look_later()
        return NoReply()

    def on_terminate(self, reason: str, state: Any) -> None:
        """Listen no more."""
        self._intake.close()

    def read_again(self) -> None:
        """Read what is there from now on."""
        if self._reads:
            self._again = True
            return
        self._reads, self._again = True, False
        intake = self._intake
        self.read().add_done_callback(lambda future: intake.post(("found", future)))

    def _with_item(self, item: StreamEvent | Gap, state: Any) -> Any:
        if isinstance(item, StreamEvent):
            self._unused = 0.0
            return self.told(item, state)
        if item.reason != "stopped":
            self._miss()
        return state

    def _miss(self) -> None:
        self.lost()
        self.read_again()

    def _go_on(self, *, failed: bool) -> None:
        """Read again if that is to be, but not at once if the database does not answer."""
        if failed:
            self.send_after(POLL, "again")
        elif self._again:
            self.read_again()

    def _look_later(self) -> None:
        if not self._looks and not self._intake.live:
            self._looks = True
            self.send_after(POLL, "look")


async def afollower(
    id: str, process: type[Follower], subject: str, stream: Callable[[str], Stream], read: Callable[[str], Any]
) -> SessionRef:
    """Return the follower of this id, started if need be.

    Args:
        id: The session's.
        process: Its class.
        subject: Whose it is.
        stream: Returns what it follows.
        read: Returns what it begins with; on a thread.

    Raises:
        ChatError: What ``read`` raises; ``unauthorized`` if there can be no such one, ``backpressure`` if this worker
            starts no more, ``unavailable``.
    """
    try:
        ref = sessions.ref(id)
        if await _uses(ref):
            return ref
        start: Callable[..., Coroutine[Any, Any, SessionRef]]
        start = database_sync_to_async(_start, thread_sensitive=False)
        return await start(id, process, subject, stream, read)
    except InvalidSessionId as error:
        raise unauthorized() from error
    except (RateLimitExceeded, SessionLimitReached) as error:
        raise backpressure("full", int(1000 * getattr(error, "retry_after", 1.0)) + 1) from error
    except ShuttingDown as error:
        raise backpressure("draining", int(1000 * error.retry_after)) from error
    except BackendUnavailable as error:
        raise unavailable() from error


async def _uses(ref: SessionRef) -> bool:
    """Return whether it runs, and put off its end."""
    try:
        await ref.aget_state()  # a cast to one that this worker has not seen is taken, whether there is one or not
        ref.cast("used")
    except (SessionNotFound, SessionStopped):
        return False
    except SessionError:
        return True  # it has much to do
    return True


def _start(
    id: str, process: type[Follower], subject: str, stream: Callable[[str], Stream], read: Callable[[str], Any]
) -> SessionRef:
    intake = Intake(stream(subject), process.later)
    try:
        ref = sessions.start_session(id, process, Start(intake, subject, read(subject)))
    except SessionAlreadyStarted as error:
        intake.close()
        there: SessionRef = error.ref
        return there
    except BaseException:
        intake.close()
        raise
    intake.attach(ref)
    return ref
