"""Agents that are somewhere else: each try is one POST.

Rules:
    1. The body is the ``Turn`` as JSON. ``X-Webhook-Id`` is the same on each try, ``X-Webhook-Attempt`` counts them;
       with ``hmac`` there is ``X-Signature``, with ``bearer`` an ``Authorization``. The endpoint's own headers come
       along, but for those and for what HTTP needs. Nothing else does: no cookies, and what the environment says of
       proxies and passwords is not asked.
    2. 2xx is an answer. Timeouts, connection errors, 408, 429 and 5xx may be tried again; anything else is final, and
       so are redirects, which are not followed.
    3. The endpoint's timeout is for the whole answer, its body and its parts; a body is read up to so many bytes, and
       not compressed, so that none unfolds to more.
    4. It has an end, whatever the endpoint answers; and no log says the URL, a header or the secret.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import logging
import re
import time
from typing import Any, Final

import httpx
import msgspec

from ..conf import get_config
from ..endpoints import Endpoint
from ..kinds import AgentAuth, DeliveryStatus
from .answers import END, EVENTS, LINES, BadAnswer, Lost, Outcome, Parts, Reply, Tell, decode, reply_of
from .signature import HEADER, sign
from .targets import TargetRefused
from .turn import Turn

logger = logging.getLogger("phoenix_sessions.chat")

_OURS: Final = frozenset(
    "accept accept-encoding authorization connection content-encoding content-length content-type expect host te "
    f"trailer transfer-encoding upgrade x-webhook-attempt x-webhook-id {HEADER.lower()}".split()
)
_AGAIN: Final = frozenset({408, 429})
_FINAL: Final = (
    TargetRefused,
    BadAnswer,
    httpx.InvalidURL,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    UnicodeError,
)
_can_be_sent = re.compile(r"([!-~]([ -~\t]*[!-~])?)?").fullmatch
_USER_AGENT: Final = "phoenix-sessions-chat"


class Webhook:
    """An agent that is at an endpoint.

    Args:
        endpoint: Where.
        transport: Sends requests, to where they may be sent.
    """

    def __init__(self, endpoint: Endpoint, transport: httpx.AsyncBaseTransport) -> None:
        self.endpoint = endpoint
        self._transport = transport

    async def ask(self, turn: Turn, attempt: int, tell: Tell) -> Outcome:
        """Try once, and return what became of that.

        Raises:
            Lost: Another worker may deliver now.
        """
        try:
            async with asyncio.timeout(self.endpoint.timeout):
                return await self._post(turn, attempt, tell)
        except (TimeoutError, httpx.TimeoutException):
            error = f"no answer within {self.endpoint.timeout:g} s"
            return Outcome(DeliveryStatus.TIMEOUT, error=error, again=True)
        except _FINAL as error:
            return Outcome(DeliveryStatus.FAILED, error=_text(error))
        except httpx.TransportError as error:
            return Outcome(DeliveryStatus.FAILED, error=_text(error), again=True)
        except Lost:
            raise
        except Exception as error:  # to be asked again and again would change nothing
            logger.exception("the agent %r cannot be asked", turn.agent)
            return Outcome(DeliveryStatus.FAILED, error=type(error).__name__)

    async def _post(self, turn: Turn, attempt: int, tell: Tell) -> Outcome:
        body = msgspec.json.encode(turn)
        headers = self._headers(body, turn.webhook_id, attempt)
        request = httpx.Request("POST", self.endpoint.url, content=body, headers=headers)
        response = await self._transport.handle_async_request(request)
        try:
            return await _answer(response, tell) if response.is_success else _refusal(response)
        finally:
            await response.aclose()

    def _headers(self, body: bytes, webhook_id: str, attempt: int) -> httpx.Headers:
        headers = httpx.Headers({"User-Agent": _USER_AGENT}, encoding="utf-8")
        headers.update({name: text for name, text in self.endpoint.headers.items() if name.lower() not in _OURS})
        headers["Accept"] = f"application/json, {EVENTS}, application/x-ndjson"
        headers["Accept-Encoding"] = "identity"
        headers["Content-Type"] = "application/json"
        headers["X-Webhook-Id"] = webhook_id
        headers["X-Webhook-Attempt"] = str(attempt)
        if self.endpoint.auth == AgentAuth.BEARER:
            headers["Authorization"] = f"Bearer {self.endpoint.secret}"
        elif self.endpoint.auth == AgentAuth.HMAC:
            headers[HEADER] = sign(body, self.endpoint.secret, int(time.time()))
        if not all(map(_can_be_sent, headers.values())):  # whoever sends would say in its log which one it is
            raise TargetRefused("a header, or the secret, cannot be sent")
        return headers


def may_end_better(http_status: int | None) -> bool:
    """Return whether another try may end better than one with this answer, None = there was none."""
    return http_status is None or http_status in _AGAIN or http_status >= 500


def _refusal(response: httpx.Response) -> Outcome:
    again = may_end_better(response.status_code)
    error = "redirects are not followed" if response.is_redirect else f"the endpoint answered {response.status_code}"
    return Outcome(
        DeliveryStatus.FAILED,
        http_status=response.status_code,
        error=error,
        again=again,
        pause=_asked_pause(response.headers.get("Retry-After", "")) if again else None,
    )


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


def _asked_pause(asked: str) -> float | None:
    """Return what Retry-After says (seconds), None = nothing that makes sense."""
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        until = email.utils.parsedate_to_datetime(asked)
        if until.tzinfo is None:
            until = until.replace(tzinfo=datetime.UTC)
        return max(0.0, until.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
