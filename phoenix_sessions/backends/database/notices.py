"""Notices as the text that NOTIFY carries: the id, a space, and the bytes in base64."""

from __future__ import annotations

import base64
import contextlib
from typing import Final

_PAYLOAD_BYTES: Final = 7999  # what NOTIFY carries


def pack(id: str, notice: bytes) -> str:
    """Return a notice as the text that NOTIFY carries; one that is too long becomes an empty one."""
    payload = f"{id} {base64.b64encode(notice).decode()}"
    return payload if len(payload) <= _PAYLOAD_BYTES else f"{id} "


def unpack(payload: str) -> tuple[str, bytes]:
    """Return the id and the notice; what makes no sense is an empty one."""
    id, _, text = payload.partition(" ")
    with contextlib.suppress(ValueError):
        return id, base64.b64decode(text, validate=True)
    return id, b""
