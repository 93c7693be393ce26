"""The session process: what a user declares about one kind of session.

Rules:
    1. Class attributes override the settings; arguments of ``start_session`` override both.
    2. The handlers get the whole state and return the next one; a slice is better changed by dispatching.
    3. A ``def`` handler runs on its sender's thread if that waits there, else on a worker; an ``async def``
       handler runs on the background loop. Either way the session handles nothing else meanwhile.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .core.errors import CallFailed, CastFailed, InvalidSnapshot
from .core.replies import NoReply, Reply, Restart
from .runtime import handlers
from .runtime.timers import Timer

if TYPE_CHECKING:
    from .runtime.session import Session

Seconds = float | int | timedelta

DURABILITIES: Final = ("memory", "write_behind", "write_through")

_COUNTS: Final = {"history_limit": 0, "max_effects": 1, "schema_version": 0}
"""The class attributes that are counts, with the least that makes sense."""


def seconds(duration: Seconds) -> float:
    """Return a duration in seconds."""
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def idle_time(ttl: object) -> float | None:
    """Return an idle time in seconds, None = never.

    Raises:
        ValueError: It is neither a positive, finite duration nor None.
    """
    if ttl is None:
        return None
    if isinstance(ttl, int | float | timedelta) and not isinstance(ttl, bool) and 0 < seconds(ttl) < float("inf"):
        return seconds(ttl)
    raise ValueError(f"the ttl is {ttl!r}: it must be a positive number of seconds, a timedelta, or None for never")


class SessionProcess:
    """Subclass it to declare a kind of session; used as it is, it mounts the ``REDUCERS`` of the settings.

    Attributes:
        reducers: What is mounted: a list of ``R``, ``(name, R)`` or ``(name, R, prefix)``, or a mapping of
            name to ``R`` or ``(R, prefix)``. None, the default: the ``REDUCERS`` setting.
        ttl: Idle time after which the session expires (seconds or timedelta; None = never). Default: ``SESSION_TTL``.
        restart: When a new life follows one that ended by itself.
        keep_alive_while_subscribed: Default: ``KEEP_ALIVE_WHILE_SUBSCRIBED``.
        store_middleware: Functions of ``(ref, action, next)`` around every dispatch, the first outermost; see
            ``phoenix_sessions.store_middleware``.
        history_limit: How many entries of history are kept (count; 0 = none). Default: ``HISTORY_LIMIT``.
        max_effects: How many effects of one session run at once (count). Default: ``MAX_EFFECTS``.
        rate_limited: Whether its starts count for ``RATE_LIMIT``; False is for sessions that the site starts by itself.
        durability: Where its sessions live: "memory" (this OS process), "write_through" (each change is in the shared
            backend before it is acknowledged) or "write_behind" (soon after). Default: ``DURABILITY``.
        schema_version: Goes into snapshots; raise it when the state's shape changes, and override ``migrate``.
        some_are_stored: Whether a class that was made so far says that its sessions are in the shared backend.

    Raises:
        TypeError, ValueError: When the class is made: one of these attributes makes no sense.

    Source: GenServer's callbacks. Differs: ``on_terminate`` also runs after a crash of another callback.
    """

    reducers: ClassVar[Iterable[Any] | Mapping[str, Any] | None] = None
    ttl: ClassVar[Seconds | None]
    restart: ClassVar[Restart] = Restart.TRANSIENT
    keep_alive_while_subscribed: ClassVar[bool]
    store_middleware: ClassVar[Iterable[Callable[..., Any]]] = ()
    history_limit: ClassVar[int]
    max_effects: ClassVar[int]
    rate_limited: ClassVar[bool] = True
    durability: ClassVar[str]
    schema_version: ClassVar[int] = 1
    some_are_stored: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("init_state", "on_terminate"):
            if inspect.iscoroutinefunction(getattr(cls, name)):
                raise TypeError(f"{cls.__qualname__}.{name} is a coroutine function: make it a plain def")
        for name, least in _COUNTS.items():
            value = getattr(cls, name, least)
            if type(value) is not int or value < least:
                raise TypeError(f"{cls.__qualname__}.{name} is {value!r}: it must be an int of {least} or more")
        idle_time(getattr(cls, "ttl", None))
        if (durability := getattr(cls, "durability", "memory")) not in DURABILITIES:
            raise TypeError(f"{cls.__qualname__}.durability is {durability!r}: it must be one of {list(DURABILITIES)}")
        if durability != "memory":
            SessionProcess.some_are_stored = True
        if not isinstance(cls.restart, Restart):
            raise TypeError(f"{cls.__qualname__}.restart is {cls.restart!r}: it must be one of {list(Restart)}")

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def session_id(self) -> str:
        """The session's id; it changes when the session moves at login."""
        return self._session.id

    @classmethod
    def combined_reducers(cls) -> Iterable[Any] | Mapping[str, Any] | None:
        """Return what to mount, for process classes that compute it; asked once per class."""
        return cls.reducers

    @classmethod
    def migrate(cls, state: dict[str, Any], version: int) -> Mapping[str, Any]:
        """Return the state of a snapshot in today's shape.

        Args:
            state: What the snapshot holds, as plain data, by slice name or own key.
            version: The ``schema_version`` that it was made with, which is not today's.

        Raises:
            InvalidSnapshot: Not overridden, it does not know the way.
        """
        raise InvalidSnapshot(
            f"it was made with schema version {version} of {cls.__qualname__}, which now has {cls.schema_version}: "
            f"override {cls.__qualname__}.migrate"
        )

    def init_state(self, args: Any) -> Mapping[str, Any]:
        """Return the process's own keys of the state, beside the slices.

        Args:
            args: What ``start_session`` was given; the same again at a restart.
        """
        return {}

    def handle_call(self, request: Any, state: Any) -> Any:
        """Answer a call with ``Reply(value, state)`` or ``Stop(reason, state, value)``.

        Not overridden it knows ``"get_state"`` and ``("get", key)``.

        Raises:
            CallFailed: To refuse; the caller gets it and the session goes on.
        """
        match request:
            case "get_state":
                return Reply(state)
            case ("get", str(key)):
                return Reply(state.get(key))
        raise CallFailed(request, f"{type(self).__name__} does not know this request; see its handle_call")

    def handle_cast(self, request: Any, state: Any) -> Any:
        """Take a message that wants no answer; return ``NoReply(state)`` or ``Stop(reason, state)``.

        Not overridden it knows ``("put", key, value)`` and ``("delete", key)``, for keys that are no slices.

        Raises:
            CastFailed: To refuse; the session goes on.
        """
        match request:
            case ("put", str(key), value) if self._may_change(key, request):
                return NoReply({**state, key: value})
            case ("delete", str(key)) if self._may_change(key, request):
                return NoReply({name: value for name, value in state.items() if name != key})
        raise CastFailed(request, f"{type(self).__name__} does not know this request; see its handle_cast")

    def handle_info(self, message: Any, state: Any) -> Any:
        """Take a message from ``send_after``; return ``NoReply(state)`` or ``Stop(reason, state)``."""
        raise CastFailed(message, f"{type(self).__name__} does not know this message; see its handle_info")

    def on_terminate(self, reason: str, state: Any) -> None:
        """Learn that this life ends: "normal", "expired", "crash", "shutdown" or what was given as the reason."""

    def send_after(self, delay: Seconds, message: Any) -> Timer:
        """Have ``handle_info`` get the message in ``delay``, unless this life ends before or the timer is cancelled."""
        session = self._session
        return session.later(seconds(delay), session.spec.async_info, handlers.info, session, message)

    def _may_change(self, key: str, request: Any) -> bool:
        if key in self._session.spec.mounts.names:
            raise CastFailed(request, f"{key!r} is a slice, which only its reducer changes; dispatch an action")
        return True
