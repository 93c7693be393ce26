"""Agents that are somewhere else: each try is one POST.

Rules:
    1. The body is the ``Turn`` as JSON. ``X-Webhook-Id`` is the same on each try, ``X-Webhook-Attempt`` counts them;
       with ``hmac`` there is ``X-Signature``, with ``bearer`` an ``Authorization``. The endpoint's own headers come
       along, but for those and for what HTTP needs.
    2. 2xx is an answer. Timeouts, connection errors, 408, 429 and 5xx may be tried again; anything else is final, and
       so are redirects, which are not followed.
    3. The endpoint's timeout is for the whole answer, its body and its parts; a body is read up to so many bytes, and
       not compressed, so that none unfolds to more.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import time
from typing import Any, Final

import httpx
import msgspec

from ..conf import get_config
from ..endpoints import Endpoint
from ..kinds import AgentAuth, DeliveryStatus
from .answers import END, EVENTS, LINES, BadAnswer, Outcome, Parts, Reply, Tell, decode, reply_of
from .signature import HEADER, sign
from .targets import TargetRefused
from .turn import Turn

_OURS: Final = frozenset(
    "accept accept-encoding authorization connection content-encoding content-length content-type expect host te "
    f"trailer transfer-encoding upgrade x-webhook-attempt x-webhook-id {HEADER.lower()}".split()
)
_AGAIN: Final = frozenset({408, 429})
_FINAL: Final = (TargetRefused, BadAnswer, httpx.InvalidURL, httpx.LocalProtocolError, httpx.UnsupportedProtocol)


class Webhook:
    """An agent that is at an endpoint.

    Args:
        endpoint: Where.
        client: Sends requests, to where they may be sent.
    """

    def __init__(self, endpoint: Endpoint, client: httpx.AsyncClient) -> None:
        self.endpoint = endpoint
        self._client = client

    async def ask(self, turn: Turn, attempt: int, tell: Tell) -> Outcome:
        """Try once, and return what became of that."""
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                return await self._post(turn, attempt, tell)
        except (TimeoutError, httpx.TimeoutException):
            error = f"no answer within {self.endpoint.timeout:g} s"
            return Outcome(DeliveryStatus.TIMEOUT, error=error, again=True)
        except (*_FINAL, UnicodeError) as error:
            return Outcome(DeliveryStatus.FAILED, error=_text(error))
        except httpx.TransportError as error:
            return Outcome(DeliveryStatus.FAILED, error=_text(error), again=True)

    async def _post(self, turn: Turn, attempt: int, tell: Tell) -> Outcome:
        body = msgspec.json.encode(turn)
        headers = self._headers(body, turn.webhook_id, attempt)
        async with self._client.stream("POST", self.endpoint.url, content=body, headers=headers) as response:
            status = response.status_code
            if response.is_success:
                return await _answer(response, tell)
            again = status in _AGAIN or status >= 500
            error = "redirects are not followed" if response.is_redirect else ""
            return Outcome(
                DeliveryStatus.FAILED,
                http_status=status,
                error=error or f"the endpoint answered {status}",
                again=again,
                pause=_asked_pause(response) if again else None,
            )

    def _headers(self, body: bytes, webhook_id: str, attempt: int) -> list[tuple[bytes, bytes]]:
        headers = {name: text for name, text in self.endpoint.headers.items() if name.strip().lower() not in _OURS}
        headers |= {
            "Accept": f"application/json, {EVENTS}, application/x-ndjson",
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
            "X-Webhook-Id": webhook_id,
            "X-Webhook-Attempt": str(attempt),
        }
        if self.endpoint.auth == AgentAuth.BEARER:
            headers["Authorization"] = f"Bearer {self.endpoint.secret}"
        elif self.endpoint.auth == AgentAuth.HMAC:
            headers[HEADER] = sign(body, self.endpoint.secret, int(time.time()))
        return [(name.encode(), text.encode()) for name, text in headers.items()]


async def _answer(response: httpx.Response, tell: Tell) -> Outcome:
    try:
        reply = await _read(response, tell)
    except BadAnswer as error:
        return Outcome(DeliveryStatus.FAILED, http_status=response.status_code, error=str(error))
    return Outcome(DeliveryStatus.DELIVERED, reply, response.status_code)


async def _read(response: httpx.Response, tell: Tell) -> Reply | None:
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        raise BadAnswer("the answer is compressed, which nobody has asked for")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == EVENTS or kind in LINES:
        return await _read_parts(response, Parts(events=kind == EVENTS), tell)
    body = bytearray()
    async for data in _bounded(response):
        body += data
    return reply_of(decode(bytes(body))) if kind.endswith(("/json", "+json")) else None


async def _read_parts(response: httpx.Response, parts: Parts, tell: Tell) -> Reply | None:
    async for data in _bounded(response):
        if text := parts.feed(data):
            await tell(text)
        if parts.done:
            break
    if text := parts.feed(END):
        await tell(text)
    return parts.reply()


async def _bounded(response: httpx.Response) -> Any:
    most = left = get_config().agent_answer_bytes
    async for data in response.aiter_raw():
        if (left := left - len(data)) < 0:
            raise BadAnswer(f"the answer is larger than {most} bytes")
        yield data


def _asked_pause(response: httpx.Response) -> float | None:
    """Return what Retry-After says (seconds), None = nothing that makes sense."""
    asked = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        until = email.utils.parsedate_to_datetime(asked)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, until.timestamp() - time.time())


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
