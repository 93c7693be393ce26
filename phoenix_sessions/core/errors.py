"""The exception tree of phoenix_sessions.

::

    SessionError
    ├── SessionNotFound (LookupError)      no session runs under this id
    ├── SessionAlreadyStarted              start_session on an id that runs
    ├── SessionStopped                     the session ended before it came to this message
    ├── SessionLimitReached                MAX_SESSIONS sessions run already
    ├── RateLimitExceeded                  RATE_LIMIT new sessions were started in its window
    ├── ShuttingDown                       this OS process stops, so it starts no sessions
    ├── InvalidSessionId (ValueError)      not 1 to 64 of A-Z a-z 0-9 _ -
    ├── InvalidAction (ValueError)         an action whose type, meta or routing is wrong
    ├── InvalidReducer (ValueError)        a reducer class or a mount that cannot work
    ├── ReducerError                       a reducer raised; nothing was changed
    ├── SelectorError                      a selector raised
    ├── CallTimeout (TimeoutError)         no answer in time
    ├── CallFailed                         the handler refused or crashed
    ├── CastFailed                         the handler refused or crashed
    ├── MailboxFull                        too many messages wait for one session
    ├── ReentrantCall (RuntimeError)       a verb that would wait for itself
    ├── StateMutated                       a slice was changed in place (seen in development)
    ├── VersionNotFound (LookupError)      no such version to travel to, or nothing to undo or redo
    ├── NotSerializable (TypeError)        a value that a snapshot cannot hold
    ├── InvalidSnapshot (ValueError)       bytes that are no snapshot of this process class
    ├── StateTooLarge                      more bytes than a shared backend may hold for one session
    ├── EventTooLarge (ValueError)         more bytes than an event of a stream may have
    └── BackendError                       the engine behind a shared backend holds what makes no sense
        ├── BackendUnavailable             it could not be asked in time
        ├── Conflict                       somebody else was first
        └── Fenced                         somebody else has taken over

Wrong settings are Django's ``ImproperlyConfigured``, not one of these. Every error carries its
facts as attributes; its message says what was received, the rule, and the way out.
"""

from __future__ import annotations

from typing import Any

from .paths import slice_of


class SessionError(Exception):
    """Base of every error that phoenix_sessions raises."""


class SessionNotFound(SessionError, LookupError):
    """No session runs under this id.

    Attributes:
        session_id: The id that was looked up.
    """

    # Django's templates show nothing, instead of failing, for a session that has ended.
    silent_variable_failure = True

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(
            f"no session runs under the id {session_id!r}: it was never started, has expired or "
            f"was terminated; start it with sessions.start_session() or sessions.get_or_start()"
        )


class SessionAlreadyStarted(SessionError):
    """A session runs under this id already.

    Attributes:
        session_id: The id that is taken.
        ref: A handle on the running session.
    """

    def __init__(self, session_id: str, ref: Any = None) -> None:
        self.session_id = session_id
        self.ref = ref
        super().__init__(
            f"session {session_id!r} is already started; use the error's .ref, or call "
            f"sessions.get_or_start() when either is fine"
        )


class SessionStopped(SessionError):
    """The session ended before it came to this message; the message was not handled.

    Attributes:
        session_id: The id of the session that ended.
        reason: Why it ended.
    """

    def __init__(self, session_id: str, reason: str) -> None:
        self.session_id = session_id
        self.reason = reason
        super().__init__(
            f"session {session_id!r} ended ({reason}) before it handled this message; "
            f"nothing was changed, start it again to go on"
        )


class SessionLimitReached(SessionError):
    """As many sessions run as are allowed.

    Attributes:
        limit: The limit (count of sessions).
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"{limit} sessions run already, which is the limit; wait until some end, or raise "
            f'PHOENIX_SESSIONS["MAX_SESSIONS"]'
        )


class RateLimitExceeded(SessionError):
    """Too many new sessions in the window of the rate limit.

    Attributes:
        limit: New sessions allowed in a window (count).
        window: Length of the window (seconds).
        retry_after: When the next start will be allowed (seconds from now).
    """

    def __init__(self, limit: int, window: float, retry_after: float) -> None:
        self.limit = limit
        self.window = window
        self.retry_after = retry_after
        super().__init__(
            f"{limit} sessions were started within {window:g} s, which is the limit; try again in "
            f'{retry_after:.1f} s, or raise PHOENIX_SESSIONS["RATE_LIMIT"]'
        )


class ShuttingDown(SessionError):
    """This OS process stops, so it starts no sessions; another one, or its successor, will.

    Attributes:
        retry_after: When to come back (seconds from now).
    """

    def __init__(self, retry_after: float = 1.0) -> None:
        self.retry_after = retry_after
        super().__init__(
            f"this process is being stopped (sessions.stop, SIGTERM or its exit), so it starts no sessions; another "
            f"one, or its successor, may: try again in {retry_after:g} s"
        )


class InvalidSessionId(SessionError, ValueError):
    """Not a session id.

    Attributes:
        session_id: What was received.
    """

    def __init__(self, session_id: object) -> None:
        self.session_id = session_id
        super().__init__(
            f"{session_id!r} is not a session id: it must be a str of 1 to 64 characters from A-Z a-z 0-9 _ -"
        )


class InvalidAction(SessionError, ValueError):
    """An action whose type, meta or routing is wrong; nothing was dispatched."""


class InvalidReducer(SessionError, ValueError):
    """A reducer class, or the way it is mounted, cannot work."""


class ReducerError(SessionError):
    """A reducer, or a store middleware, raised; no slice was changed. ``__cause__`` is what it raised.

    Attributes:
        reducer: The slice's name that the reducer is mounted under, or the middleware's.
        action: The action as it saw it (a reducer: with its local type).
    """

    def __init__(self, reducer: str, action: Any, cause: BaseException, what: str = "reducer") -> None:
        self.reducer = reducer
        self.action = action
        super().__init__(
            f"{what} {reducer!r} failed on action {action.type!r}: {type(cause).__name__}: "
            f"{cause}; no slice was changed"
        )


class SelectorError(SessionError):
    """A selector raised, or its path leads nowhere. ``__cause__`` is what it raised.

    Attributes:
        selector: The selector as it was given.
    """

    def __init__(self, selector: object, cause: BaseException) -> None:
        self.selector = selector
        super().__init__(
            f"selector {selector!r} failed: {type(cause).__name__}: {cause}; a selector must work on "
            f"every state that the reducers can produce"
        )


class CallTimeout(SessionError, TimeoutError):
    """A call was not answered in time.

    Attributes:
        session_id: The session that was asked.
        timeout: How long the caller waited (seconds).
        started: Whether the handler had begun; if not, the call was withdrawn and will not run.
    """

    def __init__(self, session_id: str, timeout: float, *, started: bool) -> None:
        self.session_id = session_id
        self.timeout = timeout
        self.started = started
        fate = "its handler goes on without you" if started else "it was withdrawn unhandled"
        super().__init__(
            f"session {session_id!r} did not answer within {timeout:g} s; {fate}; pass a longer timeout, "
            f'or raise PHOENIX_SESSIONS["CALL_TIMEOUT"]'
        )


class _MessageFailed(SessionError):
    _verb = "message"

    def __init__(self, request: object, why: str) -> None:
        self.request = request
        super().__init__(f"{self._verb} {request!r} failed: {why}")


class CallFailed(_MessageFailed):
    """A call was refused, or its handler crashed (then ``__cause__`` is what it raised).

    Attributes:
        request: The request of the call.
    """

    _verb = "call"


class CastFailed(_MessageFailed):
    """A cast was refused, or its handler crashed (then ``__cause__`` is what it raised).

    Attributes:
        request: The request of the cast.
    """

    _verb = "cast"


class MailboxFull(SessionError):
    """More messages, or more effects, wait for one session than it holds; this one was not taken.

    Attributes:
        session_id: The session that is behind.
        limit: How many may wait (count).
    """

    def __init__(self, session_id: str, limit: int, what: str = "messages") -> None:
        self.session_id = session_id
        self.limit = limit
        cure = {
            "messages": "wait for answers (dispatch instead of dispatch_nowait)",
            "effects": "await the handles of dispatch_async",
        }[what]
        super().__init__(
            f"{limit} {what} wait for session {session_id!r}, which is the limit; this one was not "
            f"taken: send less, or {cure}"
        )


class ReentrantCall(SessionError, RuntimeError):
    """A verb that waits was used where it would wait for itself.

    Attributes:
        session_id: The session that was asked.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        super().__init__(
            f"session {session_id!r} is handling a message of which this call is a part, so it would wait "
            f"for itself; use dispatch_nowait, cast, touch, ref.state or ref.version here"
        )


class StateMutated(SessionError):
    """A slice was changed in place instead of being replaced. Looked for in development only (DEBUG).

    Attributes:
        slice: The name of the slice.
        action: The type of the action whose reducer did it, or of the last action before it was found.
    """

    def __init__(self, slice: str, action: str, *, during: bool) -> None:
        self.slice = slice
        self.action = action
        when = f"by the reducer of action {action!r}" if during else f"outside of its reducer, after action {action!r}"
        super().__init__(
            f"slice {slice!r} was changed in place {when}; nobody can be told of that, and it cannot be undone: return "
            f"a new value, as in {{**state, 'key': value}}"
        )


class VersionNotFound(SessionError, LookupError):
    """The history does not keep this version, or has nothing to undo or redo.

    Attributes:
        session_id: The session.
        wanted: The version, "undo" or "redo".
        oldest: The oldest version that can be travelled to.
        newest: The present version.
    """

    def __init__(self, session_id: str, wanted: int | str, oldest: int, newest: int) -> None:
        self.session_id = session_id
        self.wanted = wanted
        self.oldest = oldest
        self.newest = newest
        what = (
            f"there is nothing to {wanted}" if isinstance(wanted, str) else f"there is no version {wanted} to travel to"
        )
        super().__init__(
            f"session {session_id!r}: {what}; it keeps versions {oldest} to {newest}, and "
            f'PHOENIX_SESSIONS["HISTORY_LIMIT"] says how many actions are kept'
        )


class NotSerializable(SessionError, TypeError):
    """A value that a snapshot cannot hold, since nobody could restore its type.

    Attributes:
        slice: The slice, or the process's own key.
        path: Where in it, for instance "cart.items.0"; begins with the slice.
    """

    def __init__(self, path: str, value: object, rule: str) -> None:
        self.slice = slice_of(path)
        self.path = path
        super().__init__(f"{path} is {value!r:.200}, a {type(value).__qualname__}, which cannot be serialised: {rule}")


class InvalidSnapshot(SessionError, ValueError):
    """Bytes that are no snapshot, or a snapshot that this process class cannot take."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the snapshot cannot be restored: {why}")


class StateTooLarge(SessionError):
    """A state with more bytes than a shared backend is allowed to hold for one session; nothing was changed.

    Attributes:
        session_id: The session.
        size: What the state would take (bytes).
        limit: What it may take (bytes).
    """

    def __init__(self, session_id: str, size: int, limit: int) -> None:
        self.session_id = session_id
        self.size = size
        self.limit = limit
        super().__init__(
            f"the state of session {session_id!r} would take {size} bytes, and may take {limit}: keep large values "
            f'elsewhere, with their keys in the state, or raise PHOENIX_SESSIONS["MAX_STATE_BYTES"]'
        )


class EventTooLarge(SessionError, ValueError):
    """An event with more bytes than a stream carries; nothing was published.

    Attributes:
        stream: The name of the stream.
        size: What the payload takes (bytes).
        limit: What it may take (bytes).
    """

    def __init__(self, stream: str, size: int, limit: int) -> None:
        self.stream = stream
        self.size = size
        self.limit = limit
        super().__init__(
            f"an event of {size} bytes is too large for stream {stream!r}, which carries {limit}: store it, and "
            f"publish where it is"
        )


class BackendError(SessionError):
    """The engine behind a shared backend holds, or answers, what makes no sense."""


class BackendUnavailable(BackendError):
    """The engine could not be asked in time; this is never taken for "not found".

    Attributes:
        maybe: Whether what was asked for may have been done.
    """

    def __init__(self, why: object, *, maybe: bool = False) -> None:
        self.maybe = maybe
        self._why: str = why._why if isinstance(why, BackendUnavailable) else str(why)
        done = "it is unknown whether it was done" if maybe else "nothing was done"
        super().__init__(f"the engine of the shared backend cannot be asked, and {done}: {self._why}")


class Conflict(BackendError):
    """Somebody else was first: the session is not what a change was worked out from, or a new id is taken.

    Attributes:
        session_id: The session.
        record: What it is now, a ``phoenix_sessions.backends.base.Record``.
    """

    def __init__(self, session_id: str, record: Any = None) -> None:
        self.session_id = session_id
        self.record = record
        super().__init__(f"session {session_id!r} was changed by somebody else meanwhile")


class Fenced(BackendError):
    """Somebody else has taken over: a lease, or the ownership of a session. Stop what needed it.

    Attributes:
        name: The lease or the session.
        fence: The fencing number that does not count any more.
    """

    def __init__(self, name: str, fence: int) -> None:
        self.name = name
        self.fence = fence
        super().__init__(f"{name!r} has another owner now: fencing number {fence} does not count any more")
