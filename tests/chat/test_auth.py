"""Who asks: tokens, the site's sessions, and whoever pretends."""

import base64
import time

import pytest
from chat.calling import KEY, USERS, admin_token, forged, make_pair, token, unsigned
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory

from phoenix_sessions.contrib.chat import auth
from phoenix_sessions.contrib.chat.errors import ChatError


@pytest.fixture(autouse=True)
def _key(settings):
    settings.PHOENIX_SESSIONS_CHAT = {"JWT_KEY": KEY}


@pytest.fixture(scope="module")
def pair():
    return make_pair()


def refused(given):
    with pytest.raises(auth.Unauthenticated) as caught:
        auth.verify(given)
    assert caught.value.invalid_token
    return caught.value.message


def test_a_tokens_sub_is_the_participant():
    assert auth.verify(token("user:alice")) == "user:alice"


def test_a_token_may_be_signed_with_a_private_key_that_the_site_has_not(settings, pair):
    private, public = pair
    settings.PHOENIX_SESSIONS_CHAT = {"JWT_KEY": public, "JWT_ALGORITHMS": ["RS256"]}
    assert auth.verify(token("user:alice", private, "RS256")) == "user:alice"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(lambda: token("user:alice", exp=int(time.time()) - 60), id="expired"),
        pytest.param(lambda: token("user:alice", exp=None), id="without an end"),
        pytest.param(lambda: token("user:alice", exp="soon"), id="with an end that is no moment"),
        pytest.param(lambda: token("user:alice", nbf=int(time.time()) + 600), id="not valid yet"),
        pytest.param(lambda: token("user:alice", "another secret that is long enough"), id="of another key"),
        pytest.param(lambda: token("user:alice", algorithm="HS512", key=KEY * 2), id="of another algorithm"),
        pytest.param(lambda: token("user:alice", aud="somebody else"), id="for somebody else"),
        pytest.param(lambda: token(None), id="of nobody"),
        pytest.param(lambda: token("user alice"), id="of what is no id"),
        pytest.param(lambda: token(""), id="of an empty id"),
        pytest.param(lambda: unsigned("user:alice"), id="unsigned"),
        pytest.param(lambda: unsigned("user:alice", "None"), id="unsigned in capitals"),
        pytest.param(lambda: unsigned("user:alice", "HS256"), id="with an empty signature"),
        pytest.param(lambda: token("user:alice")[:-4] + "AAAA", id="with a changed signature"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "a.b", id="of two parts"),
        pytest.param(lambda: "ä.ö.ü", id="not of ASCII"),
        pytest.param(lambda: "\ud800", id="not of Unicode"),
        pytest.param(lambda: base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.x", id="with a deep header"),
        pytest.param(lambda: token("user:alice", more="x" * 9000), id="too long"),
    ],
)
def test_a_token_is_refused(given):
    refused(given())


def test_a_changed_claim_spoils_the_signature():
    head, _, signature = token("user:alice").split(".")
    body = unsigned("user:bob").split(".")[1]
    refused(f"{head}.{body}.{signature}")


def test_a_public_key_signs_nothing(settings, pair):
    _, public = pair
    settings.PHOENIX_SESSIONS_CHAT = {"JWT_KEY": public, "JWT_ALGORITHMS": ["RS256"]}
    refused(forged("user:alice", public))


def test_a_token_of_rs256_is_nothing_where_hs256_is_expected(pair):
    refused(token("user:alice", pair[0], "RS256"))


def test_a_token_must_be_for_the_sites_audience(settings):
    settings.PHOENIX_SESSIONS_CHAT = {"JWT_KEY": KEY, "JWT_AUDIENCE": "chat"}
    assert auth.verify(token("user:alice", aud="chat")) == "user:alice"
    assert auth.verify(token("user:alice", aud=["mail", "chat"])) == "user:alice"
    refused(token("user:alice"))
    refused(token("user:alice", aud="mail"))


def test_without_a_key_no_token_is_taken(settings):
    settings.PHOENIX_SESSIONS_CHAT = {}
    assert "takes none" in refused(token("user:alice"))


def test_a_clock_that_is_a_little_off_is_forgiven():
    assert auth.verify(token("user:alice", exp=int(time.time()) - 1)) == "user:alice"


def test_a_refusal_says_nothing_of_the_token():
    given = token("user:alice", "another secret that is long enough")
    assert given not in refused(given)
    assert "user:alice" not in refused(given)


@pytest.mark.parametrize("scope", ["admin", "chat admin", ["admin"]])
def test_the_word_admin_in_a_tokens_scope_makes_an_administrator(scope):
    assert auth.caller_of_token(token("service:office", scope=scope)).admin


@pytest.mark.parametrize("scope", [None, "", "administrator", "Admin", ["admins", 1], {"admin": True}, True, 1])
def test_another_scope_makes_none(scope):
    assert not auth.caller_of_token(token("user:alice", scope=scope)).admin


# -- requests ----------------------------------------------------------------------------------------------------------


def request_of(user=None, method="get", **headers):
    request = getattr(RequestFactory(), method)("/", headers=headers)
    if user is not None:
        request.user = user
    return request


def test_a_requests_token_is_asked():
    request = request_of(Authorization=f"Bearer {token('user:alice')}")
    assert auth.participant_of_request(request) == "user:alice"


def test_the_schemes_name_may_be_written_as_one_likes():
    assert auth.participant_of_request(request_of(Authorization=f"bearer {token('user:alice')}")) == "user:alice"


def test_a_users_participant_is_made_of_its_key():
    assert auth.participant_of_request(request_of(USERS["7"])) == "user:7"


def test_staff_administers_and_other_users_do_not():
    assert auth.caller_of_request(request_of(USERS["8"])).admin
    assert not auth.caller_of_request(request_of(USERS["7"])).admin


def test_a_staffs_token_without_the_scope_administers_nothing():
    request = request_of(USERS["8"], Authorization=f"Bearer {token('user:8')}")
    assert not auth.caller_of_request(request).admin


def test_a_token_decides_also_where_somebody_is_logged_in():
    request = request_of(USERS["7"], Authorization=f"Bearer {token('user:alice')}")
    assert auth.participant_of_request(request) == "user:alice"


def test_a_bad_token_is_not_made_good_by_a_session():
    with pytest.raises(auth.Unauthenticated):
        auth.participant_of_request(request_of(USERS["7"], Authorization="Bearer nonsense"))


def test_another_scheme_is_left_to_the_session():
    assert auth.participant_of_request(request_of(USERS["7"], Authorization="Basic eDp5")) == "user:7"


@pytest.mark.parametrize("user", [None, AnonymousUser()])
def test_nobody_is_refused(user):
    with pytest.raises(auth.Unauthenticated) as caught:
        auth.participant_of_request(request_of(user))
    assert not caught.value.invalid_token


def by_name(user):
    return {"seven": "person=seven", "eight": None}[user.username]


def test_a_site_says_which_participant_a_user_is(settings):
    settings.PHOENIX_SESSIONS_CHAT = {"PARTICIPANT_OF_USER": f"{__name__}.by_name"}
    assert auth.participant_of_request(request_of(USERS["7"])) == "person=seven"


def test_a_site_says_that_a_user_is_none(settings):
    settings.PHOENIX_SESSIONS_CHAT = {"PARTICIPANT_OF_USER": f"{__name__}.by_name"}
    with pytest.raises(auth.Unauthenticated):
        auth.participant_of_request(request_of(USERS["8"]))


def test_a_sessions_change_needs_djangos_csrf_token():
    with pytest.raises(ChatError) as caught:
        auth.participant_of_request(request_of(USERS["7"], "post"))
    assert caught.value.code == "forbidden"


def test_a_tokens_change_needs_none():
    request = request_of(method="post", Authorization=f"Bearer {token('user:alice')}")
    assert auth.participant_of_request(request) == "user:alice"


# -- async code, and sockets -------------------------------------------------------------------------------------------


async def test_async_code_asks_the_same():
    request = request_of(Authorization=f"Bearer {admin_token('user:alice')}")
    assert await auth.aparticipant_of_request(request) == "user:alice"
    with pytest.raises(auth.Unauthenticated):
        await auth.aparticipant_of_request(request_of())


async def test_a_sockets_token_is_its_participant():
    assert await auth.aparticipant_of_scope({}, token("user:alice")) == "user:alice"


async def test_a_sockets_user_is_its_participant():
    assert await auth.aparticipant_of_scope({"user": USERS["7"]}, None) == "user:7"


async def test_a_sockets_bad_token_is_not_made_good_by_its_user():
    with pytest.raises(auth.Unauthenticated):
        await auth.aparticipant_of_scope({"user": USERS["7"]}, "nonsense")


@pytest.mark.parametrize("scope", [{}, {"user": None}, {"user": AnonymousUser()}])
async def test_a_socket_of_nobody_is_refused(scope):
    with pytest.raises(auth.Unauthenticated):
        await auth.aparticipant_of_scope(scope, None)
