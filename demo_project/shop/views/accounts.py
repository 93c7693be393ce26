"""Sign up, log in, log out: where a guest's session becomes a customer's, and where it ends."""

from django.contrib import auth
from django.contrib.auth.forms import AuthenticationForm, UserCreationForm
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from phoenix_sessions import sessions
from phoenix_sessions.decorators import ensure_session_process

from ..processes import AdminSession, UserSession


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@ensure_session_process
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account and log in."""
    form = UserCreationForm(request.POST or None)
    if form.is_valid():
        welcome(request, form.save())
        return HttpResponseRedirect(_next(request))
    return render(request, "shop/account.html", {"form": form, "new": True})


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@ensure_session_process
def log_in(request: HttpRequest) -> HttpResponse:
    """Log in."""
    form = AuthenticationForm(request, request.POST or None)
    if form.is_valid():
        welcome(request, form.get_user())
        return HttpResponseRedirect(_next(request))
    return render(request, "shop/account.html", {"form": form, "new": False})


@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Log out, which ends the session and closes its sockets (4401)."""
    auth.logout(request)
    return redirect("counter")


def welcome(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Log in, and let a customer's session take over the state of the guest's.

    Logging in gives the visitor another session id; the guest's session moves to it, and there a snapshot of its state
    begins a session of the other kind. Nobody else can know that id before the response is sent, so there is no race
    in ending one session and starting another under it. Effects end with the guest's session, so nobody waits for the
    courier any more.
    """
    auth.login(request, user)
    guest = sessions.get_or_start(request.session_id)  # that of another customer has just ended
    snapshot = guest.snapshot()
    guest.terminate("login")
    process = AdminSession if getattr(user, "is_staff", False) else UserSession
    customer = sessions.start_session(guest.id, process, args={"customer": user.get_username()}, snapshot=snapshot)
    customer.dispatch("delivery.drop")


def _next(request: HttpRequest) -> str:
    """Return where the visitor was sent to the login from, the cart if nowhere; never another site."""
    url = request.GET.get("next", "")
    ours = url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())
    return url if ours else reverse("cart")
