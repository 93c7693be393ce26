"""Calls of the HTTP API as this and that participant."""

import base64
import hmac
import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client

from phoenix_sessions.contrib.chat import agents
from phoenix_sessions.contrib.chat.gateway import gateway

KEY = "the secret of the tests, which is long enough"
USERS = {
    "7": User(pk=7, username="seven", password="x"),
    "8": User(pk=8, username="eight", password="x", is_staff=True),
}


class Users(BaseBackend):
    """Users without a table."""

    def get_user(self, user_id):
        return USERS.get(str(user_id))


def token(sub, key=KEY, algorithm="HS256", **claims):
    """A token; a claim of None is left out."""
    claims = {"sub": sub, "exp": int(time.time()) + 600, **claims}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm=algorithm)


def admin_token(sub="service:office", **claims):
    return token(sub, scope="admin", **claims)


def make_pair():
    """A private and a public key of RS256, in PEM."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key()
    return (
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
    )


def unsigned(sub, algorithm="none", **claims):
    """A token with an empty signature."""
    return _said(algorithm, {"sub": sub, "exp": int(time.time()) + 600, **claims}) + "."


def forged(sub, public):
    """A token whose secret is the public key that tokens of RS256 are checked with."""
    said = _said("HS256", {"sub": sub, "exp": int(time.time()) + 600})
    return f"{said}.{_base64(hmac.digest(public.encode(), said.encode(), 'sha256'))}"


def _said(algorithm, claims):
    return ".".join(_base64(json.dumps(each).encode()) for each in ({"alg": algorithm, "typ": "JWT"}, claims))


def _base64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Http:
    """A client of the API: ``http.post("/conversations", {...}, by="user:alice")``."""

    def __init__(self, client=None):
        self.client = client or Client(enforce_csrf_checks=True)

    def ask(self, method, path, body=None, *, by=None, bearer=None, headers=None, **options):
        sent = dict(headers or {})
        if bearer is not None or by is not None:
            sent["Authorization"] = f"Bearer {bearer or (admin_token() if by == 'admin' else token(by))}"
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        options.setdefault("content_type", "application/json")
        return self.client.generic(method.upper(), f"/chat{path}", data, headers=sent, **options)

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.ask("POST", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.ask("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.ask("DELETE", path, **options)


def come_to_rest():
    """Have nothing at work any more, while the test's database is there still."""
    agents.stop(20)
    gateway.drain(20)  # whoever is to be told is known then, and no process is about to read
    gateway.begin_again()


def use_tokens(settings, **changes):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "JWT_KEY": KEY, **changes}


def use_sessions(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.AUTHENTICATION_BACKENDS = ["chat.calling.Users"]


def log_in(client, pk):
    """Log a user of USERS in, and return the CSRF token."""
    session = client.session
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = pk, "chat.calling.Users"
    session[HASH_SESSION_KEY] = USERS[pk].get_session_auth_hash()
    session.save()
    client.cookies["sessionid"] = session.session_key
    client.cookies["csrftoken"] = secret = _get_new_csrf_string()
    return secret


def refusal(response):
    """The status and the code of a refusal, whose form is checked."""
    body = response.json()
    assert response["Content-Type"] == "application/json"
    assert set(body) == {"error", "message", "fields"}
    assert isinstance(body["message"], str)
    assert isinstance(body["fields"], dict)
    return response.status_code, body["error"]
