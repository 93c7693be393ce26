"""Who asks: the participant of a bearer token, or of the site's own session.

Rules:
    1. A token decides, if there is one: one that is not valid is never made good by a session.
    2. A token is taken if it is signed with the site's key by the site's algorithm, has not expired, and is for the
       site's audience; it must say ``exp`` and ``sub``, and ``sub`` is the participant.
    3. Whoever comes by a session has its Django user's participant, and must pass Django's CSRF check to change
       anything. Tokens need none: no browser sends them by itself.
    4. The site's staff administers, and so does a token with ``admin`` among the words of its ``scope``.
    5. Who it is says nothing of whether there is such a participant, or what it may do.

Source: RFC 7519 (JWT), RFC 6750 (bearer tokens).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jwt
import msgspec
from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.module_loading import import_string

from .conf import get_config
from .errors import ChatError
from .storage import checks

_LONGEST_TOKEN: Final = 8192
_LEEWAY: Final = 10
"""How far the issuer's clock may be from ours (seconds)."""


class Unauthenticated(Exception):
    """Nobody knows who asks; a door answers 401, a socket closes.

    Attributes:
        message: What was wrong, for people; it may be shown to whoever asked.
        invalid_token: Whether a token was given, and refused.
    """

    def __init__(self, message: str, *, invalid_token: bool = False) -> None:
        self.message = message
        self.invalid_token = invalid_token
        super().__init__(message)


class Caller(msgspec.Struct, frozen=True):
    """Who asks.

    Attributes:
        participant: The participant's id; whether there is such a one, storage knows.
        admin: Whether it administers participants and agents.
        scopes: The words of the token's ``scope``.
    """

    participant: str
    admin: bool = False
    scopes: frozenset[str] = frozenset()


def verify(token: str) -> str:
    """Return the participant of a token.

    Raises:
        Unauthenticated: The token is not valid.
    """
    return caller_of_token(token).participant


def caller_of_token(token: str) -> Caller:
    """Return who comes with a token.

    Raises:
        Unauthenticated: The token is not valid.
    """
    claims = _claims(token)
    scope = claims.get("scope", "")
    words = scope.split() if isinstance(scope, str) else scope if isinstance(scope, list) else []
    scopes = frozenset(word for word in words if isinstance(word, str))
    try:
        return Caller(checks.participant_id(claims["sub"], "sub"), "admin" in scopes, scopes)
    except ChatError as error:
        raise _refused("its sub must be a participant's id") from error


def participant_of_user(user: Any) -> str | None:
    """Return a Django user's participant, ``user:<primary key>``: the default of the setting PARTICIPANT_OF_USER."""
    return f"user:{user.pk}"


def caller_of_user(user: Any) -> Caller:
    """Return who comes with a Django user, None = without any.

    Raises:
        Unauthenticated: Nobody is logged in, or the user has no participant.
    """
    if user is None or not user.is_authenticated:
        raise Unauthenticated("log in, or send a token as Authorization: Bearer")
    participant = import_string(get_config().participant_of_user)(user)
    if participant is None:
        raise Unauthenticated("this user is no participant")
    return Caller(checks.participant_id(participant, "participant"), admin=getattr(user, "is_staff", False))


def caller_of_request(request: HttpRequest) -> Caller:
    """Return who asks.

    Raises:
        Unauthenticated: Nobody knows.
        ChatError: ``forbidden`` if a session's request does not pass the CSRF check.
    """
    if (token := bearer_of(request)) is not None:
        return caller_of_token(token)
    return _trusted(request, caller_of_user(getattr(request, "user", None)))


async def acaller_of_request(request: HttpRequest) -> Caller:
    """Return who asks, in async code; errors are those of ``caller_of_request``."""
    if (token := bearer_of(request)) is not None:
        return caller_of_token(token)
    user = await request.auser() if hasattr(request, "auser") else None
    return _trusted(request, await sync_to_async(caller_of_user)(user))


def participant_of_request(request: HttpRequest) -> str:
    """Return the participant that asks; errors are those of ``caller_of_request``."""
    return caller_of_request(request).participant


async def aparticipant_of_request(request: HttpRequest) -> str:
    """Return the participant that asks, in async code; errors are those of ``caller_of_request``."""
    return (await acaller_of_request(request)).participant


async def aparticipant_of_scope(scope: Mapping[str, Any], token: str | None) -> str:
    """Return the participant of a socket.

    A socket's handshake passes no CSRF check: its ``Origin`` is to be checked, by Channels' ``OriginValidator``.

    Args:
        scope: The socket's ASGI scope, with ``user`` if Channels' ``AuthMiddleware`` stands before it.
        token: What came as a token, None = nothing.

    Raises:
        Unauthenticated: Nobody knows.
    """
    if token is not None:
        return verify(token)
    find = database_sync_to_async(caller_of_user)  # no request is over after which connections are closed
    caller: Caller = await find(scope.get("user"))
    return caller.participant


def bearer_of(request: HttpRequest) -> str | None:
    """Return a request's bearer token, None = it has none; other schemes are not ours."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _claims(token: str) -> dict[str, Any]:
    config = get_config()
    if config.jwt_key is None:
        raise _refused("this site takes none")
    if not token.isascii() or len(token) > _LONGEST_TOKEN:
        raise _refused("it must be a JWT")
    try:
        return jwt.decode(
            token,
            config.jwt_key,
            algorithms=list(config.jwt_algorithms),
            audience=config.jwt_audience,
            leeway=_LEEWAY,
            options={"require": ["exp", "sub"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise _refused("it has expired") from error
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:  # the header's JSON is anybody's
        raise _refused("it must be signed with the site's key, be for its audience, and say exp and sub") from error


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(f"the token is refused: {why}", invalid_token=True)


def _trusted(request: HttpRequest, caller: Caller) -> Caller:
    """Return the caller, if it is its own page that sends the request."""
    check = CsrfViewMiddleware(lambda request: HttpResponse())
    request.csrf_processing_done = False  # the site's middleware leaves views alone that are exempt
    check.process_request(request)
    if check.process_view(request, _any_view, (), {}) is not None:
        raise ChatError("forbidden", "the CSRF check failed: send the token of the cookie as X-CSRFToken")
    return caller


def _any_view(request: HttpRequest) -> None:
    """Stand for the view, which is exempt: the check is ours."""
