"""Bodies over ASGI: in chunks, of any length, and of none that is said."""

import json

import pytest
from asgiref.testing import ApplicationCommunicator
from chat.calling import come_to_rest, token, use_tokens
from django.core.asgi import get_asgi_application

from phoenix_sessions.contrib.chat.gateway import gateway

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
MOST = 100_000


@pytest.fixture
def path(chat, dm, settings):
    """Where Alice sends messages."""
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = MOST
    use_tokens(settings, MAX_CONTENT_BYTES=2 * MOST)
    yield f"/chat/conversations/{dm}/messages"
    come_to_rest()


def said(text):
    return json.dumps({"content": {"text": text}}).encode()


async def post(path, *chunks, **headers):
    """Send chunks as one body, and return the status and the answer."""
    sent = {
        "authorization": f"Bearer {token('user:alice')}",
        "content-type": "application/json",
        "transfer-encoding": "chunked",
        **headers,
    }
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "query_string": b""}
    site = ApplicationCommunicator(get_asgi_application(), {**scope, "headers": encoded})
    for chunk in chunks:
        await site.send_input({"type": "http.request", "body": chunk, "more_body": True})
    await site.send_input({"type": "http.request", "body": b"", "more_body": False})
    status, answer, more = (await site.receive_output(20))["status"], b"", True
    while more:
        part = await site.receive_output(20)
        answer, more = answer + part["body"], part.get("more_body")
    await site.wait(20)
    return status, json.loads(answer)


async def test_a_body_in_chunks_is_read_as_any_other(path, dm):
    body = said("hello")
    status, message = await post(path, body[:5], b"", body[5:])
    assert (status, message["content"]) == (201, {"text": "hello"})


async def test_a_body_in_chunks_is_refused_beyond_the_limit(path, dm):
    status, answer = await post(path, *[b"x" * 1000] * (MOST // 1000 + 1))
    assert (status, answer["error"]) == (413, "too_large")


async def test_a_body_that_is_larger_than_it_says_is_refused_all_the_same(path, dm):
    status, answer = await post(path, said("x" * MOST), content_length="10")
    assert (status, answer["error"]) == (413, "too_large")


async def test_what_is_just_within_the_limit_is_taken(path, dm):
    assert (await post(path, said("x" * (MOST - len(said(""))))))[0] == 201


async def test_a_site_may_have_no_limit_but_those_of_content(path, dm, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = None
    assert (await post(path, said("x" * MOST)))[0] == 201
    assert (await post(path, said("x" * 2 * MOST)))[1]["fields"]["content"].startswith("is 2000")


async def test_what_is_too_large_is_refused_also_where_no_body_is_read(path, dm):
    status, answer = await post(path.replace("messages", "close"), b"x" * (MOST + 1))
    assert (status, answer["error"]) == (413, "too_large")
    assert (await gateway.ashow_conversation(dm, None)).status == "open"
