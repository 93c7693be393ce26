"""The consumer mixin: a session's values pushed to a browser, and its actions taken.

Rules:
    1. The session is the visitor's: its id comes from ``scope["session"]``, never from the client.
    2. A browser may dispatch what ``allowed_actions`` lists, which is nothing unless you list it.
    3. Values go through a bounded outbox where the latest wins; the channel layer is not involved.
    4. Whatever a client sends, the answer is an error frame or a documented close code, and nothing is changed.
    5. Clean-up is in ``finally``: servers cancel consumers without calling ``disconnect``.

The frames and close codes are in docs/reference/browser-protocol.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlparse

import msgspec
from channels.security.websocket import AllowedHostsOriginValidator

from .allowance import Allowance
from .core.errors import (
    BackendUnavailable,
    MailboxFull,
    RateLimitExceeded,
    SessionLimitReached,
    SessionNotFound,
    SessionStopped,
    ShuttingDown,
)
from .core.selector import Selector
from .frames import Ack, ClientFrame, Dispatch, ErrorFrame, OkFrame, decode
from .identity import afind_id
from .joining import join
from .manager import sessions
from .outbox import Outbox
from .pump import NO_SESSION, NOT_STARTED, POLICY, RECONNECT, SERVER_ERROR, TOO_LARGE, TRY_LATER, Pump
from .ref import SessionRef
from .refusals import REFUSALS, refusal
from .resume import from_query
from .subscription import Subscription

if TYPE_CHECKING:
    from channels.generic.websocket import AsyncJsonWebsocketConsumer as _Base
else:
    _Base = object

logger = logging.getLogger("phoenix_sessions")

MAX_BAD_FRAMES: Final = 20
MAX_ACK: Final = 64
"""Characters of an acknowledgement that is taken on the short way: its largest number makes 37."""
INSTANCE_ATTRIBUTES: Final = frozenset(
    ("scope", "channel_layer", "channel_name", "channel_receive", "base_send", "session_process", "_allowance")
)
"""What a consumer has only once it serves a connection; its class does not know these names."""


class SessionConsumerMixin(_Base):
    """Mix it into an ``AsyncJsonWebsocketConsumer``, before that in the list of bases.

    Attributes:
        subscriptions: The selector behind each event name. A coroutine method of the event's name gets the value;
            otherwise the value is pushed to the browser.
        allowed_actions: What a browser may dispatch: action types, with ``*`` for any characters.
        allowed_effects: What a browser may start effects with, likewise. A type in both lists is dispatched first.
        payload_schemas: The msgspec type that the payload of an action must convert to; the reducer gets what it
            was converted to.
        auto_start: Whether a socket starts a session that does not run. None: the AUTO_START setting.
        max_frame_bytes: Larger frames close the connection (4009).
        frames_per_second, frame_burst: What a client may send, acknowledgements left out.
        ack_timeout: How long (seconds) a client may leave the outbox waiting before it is closed (4408).
    """

    subscriptions: ClassVar[Mapping[str, Selector]] = {}
    allowed_actions: ClassVar[tuple[str, ...] | list[str]] = ()
    allowed_effects: ClassVar[tuple[str, ...] | list[str]] = ()
    payload_schemas: ClassVar[Mapping[str, Any]] = {}
    auto_start: ClassVar[bool | None] = None
    max_frame_bytes: ClassVar[int] = 64 * 1024
    frames_per_second: ClassVar[float] = 50
    frame_burst: ClassVar[float] = 100
    ack_timeout: ClassVar[float] = 60.0

    _allowed: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")
    _allowed_effects: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")
    session_process: SessionRef
    _outbox: Outbox | None = None
    _page: Outbox | None = None
    _pump_task: asyncio.Task[None] | None = None
    _subscription: Subscription | None = None
    _bad_frames = 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._allowed = _patterns(cls, "allowed_actions")
        cls._allowed_effects = _patterns(cls, "allowed_effects")
        ready = [base for base in cls.__mro__ if base.__module__.partition(".")[0] in ("phoenix_sessions", "channels")]
        for event in cls.subscriptions:
            if event in INSTANCE_ATTRIBUTES or any(hasattr(base, event) for base in ready):
                raise TypeError(
                    f"{cls.__qualname__}.subscriptions has {event!r}, which every consumer has: choose another name"
                )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection, and leave nothing behind however it ends."""
        try:
            await super().__call__(scope, partial(self._receive, receive), send)
        finally:
            self._clean_up()
            sessions.pages.remove(self._page)

    def _clean_up(self) -> None:
        if self._subscription is not None:
            self._subscription.unsubscribe()
        if self._pump_task is not None:
            self._pump_task.cancel()

    # -- connecting ------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Accept a visitor of this site and subscribe to the visitor's session."""
        if not _same_site(self.scope):
            await self.close()
            return
        await self.accept()
        try:
            id = await afind_id(self.scope["session"])
            if id is None:
                await self.close(NO_SESSION)
                return
            await self._join(id)
        except (SessionNotFound, SessionStopped, ShuttingDown):
            await self.close(RECONNECT if sessions.stopping else NOT_STARTED)
        except (SessionLimitReached, RateLimitExceeded, MailboxFull, BackendUnavailable):
            await self.close(TRY_LATER)
        except Exception:  # also what ``init_state`` raises
            logger.exception("%s cannot subscribe", type(self).__qualname__)
            await self.close(SERVER_ERROR)

    async def _join(self, id: str) -> None:
        self._allowance = Allowance(self.frames_per_second, self.frame_burst, _now())
        since = from_query(self.scope.get("query_string", b""))
        joined = await join(id, self.auto_start, self.subscriptions, since)
        self.session_process, self._outbox, self._subscription = joined
        self._page = joined.outbox
        self._pump_task = asyncio.get_running_loop().create_task(self._pump(joined.outbox).run())

    # -- the wire, which other consumers may have otherwise ----------------------------------------------------------

    def _pump(self, outbox: Outbox) -> Pump:
        return Pump(self, outbox, self.ack_timeout)

    def _decode(self, text: str) -> ClientFrame:
        return decode(text)

    def _payload(self, frame: Dispatch) -> Any:
        return msgspec.json.decode(frame.payload, type=self.payload_schemas.get(frame.action, Any))

    # -- receiving -------------------------------------------------------------------------------------------------

    async def _receive(self, receive: Any) -> Any:
        """Return the next message from the server that is no acknowledgement; of these each frame gets one.

        For any other message channels makes a task and has a thread look after database connections, which costs
        several times as much as to push a frame.
        """
        while True:
            message = await receive()
            if message["type"] != "websocket.receive" or not self._acknowledges(message.get("text")):
                return message

    def _acknowledges(self, text: str | None) -> bool:
        """Take the acknowledgement of a frame; returns False if the text is none, or a wrong one."""
        outbox = self._outbox
        if outbox is None or text is None or len(text) > min(MAX_ACK, self.max_frame_bytes) or '"ack"' not in text:
            return False
        try:
            frame = self._decode(text)
        except ValueError:
            return False
        return isinstance(frame, Ack) and outbox.acknowledge(frame.seq)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Take a frame from the browser."""
        outbox = self._outbox
        if outbox is None:
            return  # the connection is being closed
        if _size(text_data, bytes_data) > self.max_frame_bytes:
            await self._hang_up(TOO_LARGE)
            return
        try:
            frame = self._decode(text_data if text_data is not None else "")
        except ValueError as error:
            await self._refuse_frame(outbox, f"not a frame of this protocol: {error}")
            return
        if isinstance(frame, Ack):
            if not outbox.acknowledge(frame.seq):
                await self._refuse_frame(outbox, f"there is no frame {frame.seq} to acknowledge")
            return
        if wait := self._allowance.take(_now()):
            await self._reply(outbox, ErrorFrame(0, frame.ref, "rate_limited", "too many frames", round(wait, 3)))
            return
        reply = await self._dispatch(frame)
        if reply is not None:
            await self._reply(outbox, reply)

    async def _refuse_frame(self, outbox: Outbox, why: str) -> None:
        self._bad_frames += 1
        if self._bad_frames > MAX_BAD_FRAMES:
            await self._hang_up(POLICY)
        else:
            await self._reply(outbox, ErrorFrame(0, None, "bad_frame", why))

    async def _hang_up(self, code: int) -> None:
        """Close, and take and send nothing more: what the client has sent already may still be on its way."""
        self._outbox = None
        self._clean_up()
        await self.close(code)

    async def _reply(self, outbox: Outbox, reply: OkFrame | ErrorFrame) -> None:
        if not outbox.reply(reply):
            await self._hang_up(POLICY)

    async def _dispatch(self, frame: Dispatch) -> OkFrame | ErrorFrame | None:
        """Dispatch what a client may; returns the answer, or None when the session is over."""
        applies, starts = self._allowed.fullmatch(frame.action), self._allowed_effects.fullmatch(frame.action)
        if not (applies or starts):
            message = f"the action {frame.action!r} is in neither allowed_actions nor allowed_effects"
            return ErrorFrame(0, frame.ref, "not_allowed", message)
        try:
            payload = self._payload(frame)
        except (msgspec.DecodeError, RecursionError) as error:
            return ErrorFrame(0, frame.ref, "invalid_payload", str(error))
        ref, version = self.session_process, None
        try:
            if applies:
                version = await ref.adispatch(frame.action, payload)
            if starts:
                await ref.adispatch_async(frame.action, payload)
            return OkFrame(0, frame.ref, ref.version if version is None else version)
        except REFUSALS as error:
            return refusal(error, frame.ref, applied=version is not None)
        except (SessionNotFound, SessionStopped, ShuttingDown):
            return None


def _patterns(cls: type, attribute: str) -> re.Pattern[str]:
    """Return what the patterns of a class attribute match."""
    patterns = getattr(cls, attribute)
    if isinstance(patterns, str):
        raise TypeError(f"{cls.__qualname__}.{attribute} is {patterns!r}: it must be a list of patterns")
    return re.compile("|".join(".*".join(map(re.escape, each.split("*"))) for each in patterns) or r"(?!)", re.DOTALL)


def _size(text: str | None, data: bytes | None) -> int:
    """Return how many bytes a frame has."""
    if text is None:
        return len(data or b"")
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _same_site(scope: Mapping[str, Any]) -> bool:
    """Return whether the handshake comes from a page of this site, or from no page at all."""
    origins = [value for name, value in scope.get("headers", ()) if name == b"origin"]
    if not origins:
        return True
    with contextlib.suppress(ValueError):
        return bool(AllowedHostsOriginValidator(None).valid_origin(urlparse(origins[0].decode("latin-1"))))
    return False


def _now() -> float:
    return asyncio.get_running_loop().time()
