"""The HTTP API: one router for each noun, and an OpenAPI page.

Rules:
    1. Each operation is one verb of the gateway: what is allowed is decided there, and by ``callers``.
    2. No operation holds up an event loop.
    3. Every answer of every operation is in the OpenAPI document.
"""

from __future__ import annotations

from .application import api

__all__ = ["api"]
