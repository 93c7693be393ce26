"""``{% load phoenix_sessions %}``: the visitor's session for the first paint of a page.

Rules:
    1. ``{% session_process as session %}`` gives one look at the session: state, epoch and version belong together,
       whatever happens while the page is rendered.
    2. It starts what the view would start (AUTO_START), and never a second session.
    3. ``{% session_resume session %}`` tells ``session.js`` where the paint stands, so that the first frame has only
       what has changed since.
"""

from __future__ import annotations

from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ..reading import Look

register = template.Library()


@register.simple_tag(takes_context=True)
def session_process(context: template.Context) -> Look:
    """Return the visitor's session as it is now.

    Raises:
        ImproperlyConfigured: The template has no request, or the middleware is missing.
        SessionNotFound: AUTO_START is off, and none runs.
    """
    request: Any = context.get("request")
    if request is None or not hasattr(request, "session_process"):
        raise ImproperlyConfigured(
            "{% session_process %} needs the request, by the context processor 'django.template.context_processors."
            "request' and render(request, ...), and phoenix_sessions' middleware in MIDDLEWARE"
        )
    look: Look = request.session_process.look()
    return look


@register.simple_tag
def session_resume(look: Look) -> SafeString:
    """Return the attributes that ``session.js`` finds on the body: where the paint stands."""
    return format_html('data-session-epoch="{}" data-session-version="{}"', look.epoch, look.version)
