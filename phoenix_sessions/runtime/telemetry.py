"""Events that say what the runtime does, for whoever attaches.

Rules:
    1. An event nobody is attached to costs one dict look-up.
    2. Handlers are called on the thread where the event happened, with ``(event, measurements, metadata, config)``.
    3. A handler that raises is detached and reported to the log; the runtime goes on.
    4. Names start with ``phoenix_sessions.``; durations are seconds.

Source: Erlang's ``telemetry`` (attach, attach_many, detach, execute, span).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

logger = logging.getLogger("phoenix_sessions")

EventHandler = Callable[[str, Mapping[str, Any], Mapping[str, Any], Any], None]

SESSION_START: Final = "phoenix_sessions.session.start"
SESSION_STOP: Final = "phoenix_sessions.session.stop"
SESSION_START_ERROR: Final = "phoenix_sessions.session.start_error"
SESSION_EXPIRE: Final = "phoenix_sessions.session.expire"
SESSION_RESTART: Final = "phoenix_sessions.session.restart"
SESSION_CRASH: Final = "phoenix_sessions.session.crash"
CLEANUP: Final = "phoenix_sessions.cleanup"
CLEANUP_ERROR: Final = "phoenix_sessions.cleanup_error"
CALL: Final = "phoenix_sessions.call"
CAST: Final = "phoenix_sessions.cast"
COMMUNICATION_ERROR: Final = "phoenix_sessions.communication_error"
RATE_LIMIT_CHECK: Final = "phoenix_sessions.rate_limit.check"
RATE_LIMIT_EXCEEDED: Final = "phoenix_sessions.rate_limit.exceeded"
DISPATCH: Final = "phoenix_sessions.dispatch"
SUBSCRIBE: Final = "phoenix_sessions.subscribe"
UNSUBSCRIBE: Final = "phoenix_sessions.unsubscribe"
NOTIFICATION: Final = "phoenix_sessions.notification"
SELECTOR_HIT: Final = "phoenix_sessions.selector.hit"
SELECTOR_MISS: Final = "phoenix_sessions.selector.miss"
COMMIT: Final = "phoenix_sessions.commit"
CONFLICT: Final = "phoenix_sessions.conflict"
UNAVAILABLE: Final = "phoenix_sessions.unavailable"
EFFECT_START: Final = "phoenix_sessions.effect.start"
EFFECT_STOP: Final = "phoenix_sessions.effect.stop"
EFFECT_CANCEL: Final = "phoenix_sessions.effect.cancel"
EFFECT_EXCEPTION: Final = "phoenix_sessions.effect.exception"
STREAM_GAP: Final = "phoenix_sessions.stream.gap"


class Attached(NamedTuple):
    """A handler under its id."""

    id: str
    handler: EventHandler
    config: Any


attached: dict[str, tuple[Attached, ...]] = {}
"""The handlers of each event that has any; read it to skip the work of an event that nobody wants."""

_hot_events: Final = frozenset({DISPATCH, COMMIT, CALL})
"""The events of the ways that ``shortcuts`` takes."""

hot: set[str] = set()
"""Those of them that have a handler."""

_lock = threading.Lock()


def attach(handler_id: str, event: str, handler: EventHandler, config: Any = None) -> None:
    """Have ``handler(event, measurements, metadata, config)`` called at each such event.

    Raises:
        ValueError: A handler of this id is attached already.
    """
    attach_many(handler_id, [event], handler, config)


def attach_many(handler_id: str, events: Iterable[str], handler: EventHandler, config: Any = None) -> None:
    """Attach one handler to several events, under one id.

    Raises:
        ValueError: A handler of this id is attached already.
    """
    entry = Attached(handler_id, handler, config)
    with _lock:
        if any(each.id == handler_id for entries in attached.values() for each in entries):
            raise ValueError(f"a telemetry handler {handler_id!r} is attached already; detach it, or use another id")
        for event in events:
            attached[event] = (*attached.get(event, ()), entry)
        hot.update(_hot_events & attached.keys())


def detach(handler_id: str) -> None:
    """Detach the handler of this id from all its events.

    Raises:
        LookupError: None is attached.
    """
    with _lock:
        known = False
        for event, entries in list(attached.items()):
            rest = tuple(each for each in entries if each.id != handler_id)
            known = known or len(rest) < len(entries)
            if rest:
                attached[event] = rest
            else:
                del attached[event]
        hot.intersection_update(attached)
    if not known:
        raise LookupError(f"no telemetry handler {handler_id!r} is attached")


def execute(event: str, measurements: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Tell an event to the handlers that are attached to it."""
    for entry in attached.get(event, ()):
        try:
            entry.handler(event, measurements, metadata, entry.config)
        except Exception:
            logger.exception("telemetry handler %r failed on %s and was detached", entry.id, event)
            with contextlib.suppress(LookupError):  # another thread detached it first
                detach(entry.id)


@contextlib.contextmanager
def span(event: str, metadata: Mapping[str, Any]) -> Iterator[None]:
    """Tell ``<event>.start``, and then ``<event>.stop`` or ``<event>.exception`` with the duration in seconds."""
    started = time.perf_counter()
    execute(f"{event}.start", {"system_time": time.time()}, metadata)
    try:
        yield
    except BaseException as error:
        execute(f"{event}.exception", {"duration": time.perf_counter() - started}, {**metadata, "error": error})
        raise
    execute(f"{event}.stop", {"duration": time.perf_counter() - started}, metadata)
