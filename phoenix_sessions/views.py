"""A view that streams a session's values as server-sent events.

Rules:
    1. The session is the visitor's, by ``request.session``; a browser without one gets 204, which stops an EventSource.
    2. Values are not queued: between two events the latest wins. A stream ends by itself after ``max_stream_bytes``, as
       ASGI servers buffer what a client does not read; an EventSource comes back and gets only what changed.
    3. The end of the session is a last event ``end`` whose id is ``end``. Who comes back with that id gets 204.
    4. A session that moves (login), or a server that stops, ends the stream without it: the browser comes back.
    5. After a value that cannot be sent, or a selector that raised, the browser comes back after ``RETRY_AFTER_ERROR``.
    6. It needs ASGI. Under WSGI it would hold a worker for ever, so it refuses.
    7. Limits on new sessions become 503 with Retry-After, by the middleware.
    8. No CORS headers: only pages of this site can read it.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Final

import msgspec
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views import View

from .core.errors import BackendUnavailable, MailboxFull, SessionNotFound, SessionStopped, ShuttingDown
from .core.selector import Selector
from .identity import afind_id
from .joining import join
from .manager import sessions
from .middleware import unavailable
from .outbox import Outbox
from .pump import RECONNECT, close_code
from .resume import event_id, from_event_id, from_query
from .subscription import Subscription

logger = logging.getLogger("phoenix_sessions")

END_ID: Final = "end"
RETRY_AFTER_ERROR: Final = 30_000
"""What an EventSource waits (milliseconds) after a failure on this side, which may well last."""


class SessionEventStream(View):
    """Subclass it with ``subscriptions``, and route ``as_view()``.

    Attributes:
        subscriptions: The selector behind each event name; ``changes`` of a state frame has the values.
        auto_start: Whether a stream starts a session that does not run. None: the AUTO_START setting.
        heartbeat: After so long (seconds) without an event a comment is sent.
        retry: What an EventSource waits (milliseconds) before it comes back.
        max_stream_bytes: A stream that has sent so much ends, and the browser comes back.
    """

    subscriptions: ClassVar[Mapping[str, Selector]] = {}
    auto_start: ClassVar[bool | None] = None
    heartbeat: ClassVar[float] = 15.0
    retry: ClassVar[int] = 1000
    max_stream_bytes: ClassVar[int] = 1024 * 1024
    http_method_names: ClassVar[list[str]] = ["get"]

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Stream the visitor's session.

        Raises:
            ImproperlyConfigured: The site is served by WSGI.
        """
        if not isinstance(request, ASGIRequest):
            raise ImproperlyConfigured("SessionEventStream needs ASGI: under WSGI each stream would hold a worker")
        try:
            id = await afind_id(request.session)
        except (MailboxFull, BackendUnavailable):
            return unavailable(1)
        seen = request.headers.get("Last-Event-ID")  # newer than the query, which the page was painted with
        if id is None or seen == END_ID:
            return HttpResponse(status=204)
        since = from_event_id(seen) if seen is not None else from_query(request.META["QUERY_STRING"].encode())
        try:
            _, outbox, subscription = await join(id, self.auto_start, self.subscriptions, since)
        except (SessionNotFound, SessionStopped, ShuttingDown):
            return self._come_back() if sessions.stopping else HttpResponse(status=204)
        except (MailboxFull, BackendUnavailable):
            return unavailable(1)
        events = self._events(outbox, subscription)
        weakref.finalize(events, subscription.drop).atexit = False  # in case the response gets lost on its way
        response = StreamingHttpResponse(
            events,
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
        response._resource_closers.append(subscription.unsubscribe)  # in case nobody iterates
        return response

    async def _events(self, outbox: Outbox, subscription: Subscription) -> AsyncIterator[bytes]:
        try:
            yield _retry(self.retry)
            sent = 0
            while sent < self.max_stream_bytes:
                outbox.wake.clear()
                event = self._next(outbox)
                if event is not None:
                    sent += len(event)
                    yield event
                elif outbox.over or outbox.moved_to is not None:
                    if last := _last(outbox):
                        yield last
                    return
                elif not await self._woken(outbox):
                    yield b":\n\n"
                    sent += 3
        except Exception:
            logger.exception("%s cannot push", type(self).__qualname__)
            yield _retry(RETRY_AFTER_ERROR)
        finally:
            subscription.unsubscribe()
            sessions.pages.remove(outbox)

    def _come_back(self) -> HttpResponse:
        """Return an empty stream: after any other answer than 200 an EventSource never comes back."""
        return HttpResponse(_retry(self.retry), content_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    def _next(self, outbox: Outbox) -> bytes | None:
        frame = outbox.next_state()
        if frame is None:
            return None
        return f"id: {event_id(frame.epoch, frame.version)}\ndata: {outbox.text(frame)}\n\n".encode()

    async def _woken(self, outbox: Outbox) -> bool:
        try:
            async with asyncio.timeout(self.heartbeat):
                await outbox.wake.wait()
        except TimeoutError:
            return False
        return True


def _retry(milliseconds: int) -> bytes:
    return b"retry: %d\n\n" % milliseconds


def _last(outbox: Outbox) -> bytes | None:
    """Return the event ``end``, or how late the browser shall come back; None for soon."""
    if outbox.error is not None:
        return _retry(RETRY_AFTER_ERROR)
    code = close_code(outbox)
    if code == RECONNECT or outbox.end is None:
        return None
    data = msgspec.json.encode({"code": code, "reason": outbox.end[1]})
    return f"event: end\nid: {END_ID}\ndata: {data.decode()}\n\n".encode()
