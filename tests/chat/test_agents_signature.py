"""How an endpoint knows that a delivery is ours."""

import hashlib
import hmac

import pytest

from phoenix_sessions.contrib.chat.agents.signature import sign, verify

BODY = b'{"webhook_id":"1"}'


def test_the_signature_is_that_of_the_moment_and_the_body():
    digest = hmac.new(b"key", b"1700000000." + BODY, hashlib.sha256).hexdigest()
    assert sign(BODY, "key", 1_700_000_000) == f"t=1700000000,v1={digest}"


def test_a_signature_of_ours_is_verified():
    assert verify(BODY, sign(BODY, "ключ", 1000), "ключ", now=1000 + 300)


@pytest.mark.parametrize(
    ("body", "secret", "now"),
    [(BODY + b" ", "key", 1000), (BODY, "other", 1000), (BODY, "key", 1301), (BODY, "key", 699)],
)
def test_another_body_another_secret_and_another_time_are_not_ours(body, secret, now):
    assert not verify(body, sign(BODY, "key", 1000), secret, now=now)


@pytest.mark.parametrize("signature", ["", "t=1000", "t=1000,v1=", "v1=" + "0" * 64, "t=x,v1=" + "0" * 64, "ü" * 80])
def test_what_is_no_signature_is_not_ours(signature):
    assert not verify(BODY, signature, "key", now=1000)


def test_the_clock_is_asked_if_nobody_says_what_time_it_is():
    assert not verify(BODY, sign(BODY, "key", 1000), "key")
