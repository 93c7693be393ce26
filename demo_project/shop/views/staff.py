"""Who is there: a page for the staff."""

from django.contrib.auth.decorators import login_required, user_passes_test
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from phoenix_sessions import SessionFacts, SessionNotFound, sessions
from phoenix_sessions.decorators import ensure_session_process

SHOWN = 50


def _is_staff(user: object) -> bool:
    if not getattr(user, "is_staff", False):
        raise PermissionDenied
    return True


@require_safe
@never_cache
@login_required
@user_passes_test(_is_staff)
@ensure_session_process
def staff(request: HttpRequest) -> HttpResponse:
    """Show how the sessions do, and those whose id has the pattern."""
    pattern = request.GET.get("pattern", "")
    try:
        ids, wrong = sessions.find_sessions_by_pattern(pattern), ""
    except ValueError:
        ids, wrong = [], "This is no regular expression."
    context = {
        "stats": sessions.session_stats(),
        "health": sessions.session_health(),
        "pattern": pattern,
        "wrong": wrong,
        "matching": len(ids),
        "rows": [facts for facts in map(_facts, ids[:SHOWN]) if facts is not None],
    }
    return render(request, "shop/staff.html", context)


def _facts(id: str) -> SessionFacts | None:
    try:
        return sessions.ref(id).facts
    except SessionNotFound:  # it has ended meanwhile
        return None
