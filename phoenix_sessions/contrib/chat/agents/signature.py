"""The signature by which an agent's endpoint knows that a delivery is ours, and not an old one.

Rules:
    1. The header ``X-Signature`` is ``t=<seconds>,v1=<digest>``: the moment in whole seconds since 1970, and
       HMAC-SHA256 in lower-case hex.
    2. What is signed is the digits of that moment, a full stop, and the body's bytes as they are sent; the key is the
       endpoint's secret in UTF-8.
    3. Each try is signed anew. Whoever receives it compares in constant time, and takes none that is too old.

Source: the scheme of Stripe's webhooks, https://docs.stripe.com/webhooks#verify-manually
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import Final

HEADER: Final = "X-Signature"

_parts_of = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})").fullmatch


def sign(body: bytes, secret: str, at: int) -> str:
    """Return the signature of a body that is sent at a moment (seconds since 1970)."""
    return f"t={at},v1={_digest(body, secret, str(at))}"


def verify(body: bytes, signature: str, secret: str, *, tolerance: float = 300.0, now: float | None = None) -> bool:
    """Return whether a delivery is ours, and fresh.

    Args:
        body: The bytes that came, before anything has parsed them.
        signature: What the header says; empty if there is none.
        secret: The endpoint's.
        tolerance: How far the sender's clock and the way may be off (seconds).
        now: What time it is (seconds since 1970), None = ask the clock.
    """
    found = _parts_of(signature)
    if found is None:
        return False
    at, digest = found.groups()
    fresh = abs((time.time() if now is None else now) - int(at)) <= tolerance
    return hmac.compare_digest(digest, _digest(body, secret, at)) and fresh


def _digest(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
