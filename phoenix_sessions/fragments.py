"""Server-rendered pages: when a selected value changes, its template is rendered and sent for htmx to swap in.

Rules:
    1. It is a session consumer: the same session, the same default-deny of actions, the same closing. Only the wire is
       htmx's: version 4's JSON envelope (``hx-ws:connect``), or version 2's out-of-band HTML (``ws-connect``).
    2. The content of the target element is replaced (``innerHTML``); the element itself stays in the page.
    3. A form that is sent (``hx-ws:send``, ``ws-send``) names its action in the field ``action``; its other fields are
       the payload, as text, converted by ``payload_schemas``. Django's CSRF token is none of them.
    4. htmx acknowledges nothing. So at most ``fragments_per_second`` are sent, the latest value of each winning, and a
       client that reads nothing is found by the server's ping (daphne: 20 s, then 30 s). Of what is refused the latest
       wins too, and nothing else is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec
from channels.db import database_sync_to_async
from django.template.loader import get_template
from django.utils.html import escape

from .consumers import SessionConsumerMixin
from .core.errors import SessionNotFound
from .core.selector import Selector
from .frames import MAX_ACTION_TYPE, Dispatch, ErrorFrame, OkFrame, ServerFrame, StateFrame
from .outbox import Outbox
from .pump import Pump

VERSIONS: Final = (2, 4)
_NO_FIELDS: Final = ("headers", "HEADERS", "csrfmiddlewaretoken")


class FragmentConsumerMixin(SessionConsumerMixin):
    """Mix it into an ``AsyncJsonWebsocketConsumer``, before that in the list of bases.

    Attributes:
        fragments: The selector and the template (or partial, ``"shop/cart.html#items"``) behind each target, a CSS
            selector such as ``"#cart"``.
        htmx: The version of htmx in the page: 4 or 2.
        error_target: Where the text of refused actions goes; None = nowhere.
        render_in_thread: Whether templates are rendered on a thread, so that they may use the ORM. False saves about
            0.2 ms for templates that do not.
        fragments_per_second: At most so many messages with fragments are sent (count per second).
    """

    fragments: ClassVar[Mapping[str, tuple[Selector, str]]] = {}
    htmx: ClassVar[int] = 4
    error_target: ClassVar[str | None] = None
    render_in_thread: ClassVar[bool] = True
    fragments_per_second: ClassVar[float] = 10.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.htmx not in VERSIONS:
            raise TypeError(f"{cls.__qualname__}.htmx is {cls.htmx!r}: it must be one of {VERSIONS}")
        known = {target for base in cls.__mro__ for target in vars(base).get("fragments", ())}
        cls.subscriptions = {
            **{event: selector for event, selector in cls.subscriptions.items() if event not in known},
            **{target: selector for target, (selector, _) in cls.fragments.items()},
        }
        for event in cls.subscriptions:
            if event not in cls.fragments and not hasattr(cls, event):
                raise TypeError(f"{cls.__qualname__}.subscriptions has {event!r}: give it a fragment, or a method")

    def get_context(self, target: str, value: Any) -> dict[str, Any]:
        """Return what the template of a target gets: ``value``, ``session`` (state, epoch, version) and ``user``."""
        return {"value": value, "session": self.session_process.look(), "user": self.scope.get("user")}

    async def send_frame(self, frame: ServerFrame) -> None:
        """Send what changed, or a refusal, as fragments."""
        if isinstance(frame, StateFrame):
            for target, value in frame.changes.items():
                await self._send_fragment(target, await self._rendered(target, value))
        elif isinstance(frame, ErrorFrame) and self.error_target is not None:
            await self._send_fragment(self.error_target, escape(frame.message))

    async def _rendered(self, target: str, value: Any) -> str:
        if self.render_in_thread:
            html: str = await database_sync_to_async(self._render)(target, value)
            return html
        return self._render(target, value)

    def _render(self, target: str, value: Any) -> str:
        _, template = self.fragments[target]
        html: str = get_template(template).render(self.get_context(target, value))
        return html

    async def _send_fragment(self, target: str, html: str) -> None:
        if self.htmx == 2:
            text = f'<div hx-swap-oob="innerHTML:{escape(target)}">{html}</div>'
        else:
            envelope = {"content": html + "", "target": target, "swap": "innerHTML"}  # + "": a str, no SafeString
            text = msgspec.json.encode(envelope).decode()
        await self.send(text_data=text)

    # -- the wire ----------------------------------------------------------------------------------------------------

    def _pump(self, outbox: Outbox) -> Pump:
        return _FragmentPump(self, outbox, self.ack_timeout)

    async def _reply(self, outbox: Outbox, reply: OkFrame | ErrorFrame) -> None:
        if isinstance(reply, ErrorFrame) and self.error_target is not None:
            outbox.reply_instead(reply)

    def _decode(self, text: str) -> Dispatch:
        try:
            fields = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise ValueError(str(error)) from error
        for name in _NO_FIELDS:
            fields.pop(name, None)
        action = fields.pop("action", None)
        if not isinstance(action, str) or not 0 < len(action) <= MAX_ACTION_TYPE:
            raise ValueError("a form names its action in the field 'action'")
        return Dispatch(0, action, msgspec.Raw(msgspec.json.encode(fields)))

    def _payload(self, frame: Dispatch) -> Any:
        kind = self.payload_schemas.get(frame.action, Any)
        if kind is None and frame.payload == b"{}":
            return None  # a form without fields
        return msgspec.json.decode(frame.payload, type=kind, strict=False)


class _FragmentPump(Pump):
    """A pump whose client acknowledges nothing: every frame counts as read, and the next one waits a little.

    What was refused goes along with what changed, so that neither keeps the other waiting.
    """

    async def _send(self, frame: ServerFrame) -> None:
        await self._send_now(frame)
        if isinstance(frame, StateFrame) and (refused := self._outbox.next_reply()) is not None:
            await self._send_now(refused)
        await asyncio.sleep(1 / self._consumer.fragments_per_second)

    async def _send_now(self, frame: ServerFrame) -> None:
        self._outbox.number(frame)
        try:
            await self._consumer.send_frame(frame)
        except SessionNotFound:
            return  # it ended meanwhile; the outbox says how
        finally:
            self._outbox.acknowledge(frame.seq)
