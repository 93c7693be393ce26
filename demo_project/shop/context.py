"""What every page's template gets."""

from typing import Any

from django.http import HttpRequest

from . import selectors


def live(request: HttpRequest) -> dict[str, Any]:
    """Return the session's handle and what pages show of its state, worked out when a template asks."""
    process = request.session_process
    return {
        "shop": process,
        "lines": lambda: process.select_state(selectors.lines),
        "size": lambda: process.select_state(selectors.size),
        "total": lambda: process.select_state(selectors.total),
        "wishes": lambda: process.select_state(selectors.wishes),
        "found": lambda: process.select_state(selectors.found),
    }
