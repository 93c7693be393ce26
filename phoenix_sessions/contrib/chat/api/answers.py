"""Answers: a value, or a refusal, as JSON.

Rules:
    1. A refusal is ``{"error": code, "message": for people, "fields": {field: rule}}``, whatever it is about.
    2. The code is that of the ``ChatError``, or one of HTTP's own: ``malformed``, ``unauthenticated``,
       ``unsupported_type``, ``method_not_allowed``.
    3. What may succeed later says when: Retry-After, in whole seconds.
    4. Nothing is kept by caches.
    5. What is nobody's fault but ours stays Django's: 500, its log and its mails. What the database says goes to the
       log, and to nobody else.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from django.http import HttpResponse

from ..auth import Unauthenticated
from ..errors import ChatError, Code
from ..gateway import gateway

logger = logging.getLogger("phoenix_sessions.chat")

STATUS: Final[Mapping[Code, int]] = {
    "not_found": 404,
    "unauthorized": 403,
    "forbidden": 403,
    "invalid": 422,
    "too_large": 413,
    "closed": 409,
    "disabled": 403,
    "conflict": 409,
    "rate_limited": 429,
    "backpressure": 503,
    "unavailable": 503,
}

_AGAIN: Final = (429, 503)
_SOON_MS: Final = 1000


def answer(value: Any, status: int = 200) -> HttpResponse:
    """Return a value as the answer: one of ``types``, or of them as lists and dicts."""
    return _response(msgspec.json.encode(value), status)


def nothing() -> HttpResponse:
    """Return the answer that it was done, and there is nothing to say."""
    return _response(b"", 204)


def refusal(status: int, code: str, message: str, fields: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a refusal, which is counted."""
    gateway.counters.refused(code)
    return answer({"error": code, "message": message, "fields": dict(fields or {})}, status)


def refused(error: ChatError) -> HttpResponse:
    """Return what a ``ChatError`` is to a client."""
    if error.code == "unavailable":
        logger.warning("the database does not answer: %s", error.__cause__ or error)
    status = STATUS[error.code]
    response = refusal(status, error.code, error.message, error.fields)
    if status in _AGAIN:
        response["Retry-After"] = str(max(1, math.ceil((error.retry_after_ms or _SOON_MS) / 1000)))
    return response


def unauthenticated(error: Unauthenticated) -> HttpResponse:
    """Return the answer to whom nobody knows."""
    response = refusal(401, "unauthenticated", error.message)
    response["WWW-Authenticate"] = 'Bearer error="invalid_token"' if error.invalid_token else "Bearer"
    return response


def _response(content: bytes, status: int) -> HttpResponse:
    response = HttpResponse(content, status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
