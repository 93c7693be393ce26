"""What becomes of a dispatch."""

from __future__ import annotations

from js.client import QUICK, Client
from js.runtime import Runtime
from js.server import ScriptedServer


def test_a_dispatch_is_kept_with_its_version_after_its_values_came(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    conversation = server.accept()
    conversation.state(0, {"count": 1}, resume="new")
    client.until("session.state === 'open'")
    client.run("session.dispatch('cart.add', { sku: 'mug' }).then(({ version }) => told.push(`version ${version}`));")
    sent = conversation.receive()
    conversation.state(1, {"count": 2})
    conversation.send("ok", ref=sent["ref"], version=1)
    assert sent == {"type": "dispatch", "ref": 1, "action": "cart.add", "payload": {"sku": "mug"}}
    assert client.until("told.length === 3")["told"] == [1, 2, "version 1"]


def test_a_refused_dispatch_is_rejected_with_the_servers_reason(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    conversation = server.accept()
    conversation.state(0, {}, resume="new")
    client.dispatch("admin.reset")
    ref = conversation.receive()["ref"]
    conversation.send("error", ref=ref, code="rate_limited", message="too many", retry_after=1.5)
    refused = {"code": "rate_limited", "message": "too many", "retryAfter": 1.5}
    assert client.until("answers[0]")["answers"] == [refused]


def test_a_refusal_of_no_dispatch_is_an_error_event(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    client.run("session.addEventListener('error', (event) => told.push(event.detail.code));")
    server.accept().send("error", ref=None, code="bad_frame", message="no")
    assert client.until("told.length")["told"] == ["bad_frame"]


def test_dispatches_made_too_early_are_sent_in_order(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    for action in ("a", "b", "c"):
        client.dispatch(action)
    conversation = server.accept()
    conversation.state(0, {}, resume="new")
    assert [conversation.receive()["action"] for _ in range(3)] == ["a", "b", "c"]


def test_what_was_sent_but_not_answered_is_disconnected_and_not_sent_again(
    runtime: Runtime, server: ScriptedServer
) -> None:
    client = Client(runtime, server, **QUICK)
    first = server.accept()
    first.state(0, {}, resume="new")
    client.dispatch("lost")
    first.receive()
    first.cut()
    second = server.accept()
    client.dispatch("next")
    second.state(0, {}, resume="recovered")
    assert second.receive()["action"] == "next"
    assert client.until("answers[0]")["answers"][0]["code"] == "disconnected"


def test_at_most_a_hundred_dispatches_wait(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    client.run("for (let index = 0; index < 101; index++) dispatch('counter.increment');")
    assert client.until("answers[100]")["answers"][100]["code"] == "busy"
    conversation = server.accept()
    conversation.state(0, {}, resume="new")
    assert [conversation.receive()["ref"] for _ in range(100)] == list(range(1, 101))


def test_a_dispatch_that_finds_no_connection_in_time_is_not_sent(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, timeout=3, **QUICK)
    client.dispatch("late")
    server.accept()  # and says nothing
    second = server.accept()
    assert client.until("answers[0]")["answers"][0]["code"] == "timeout"
    second.state(0, {}, resume="new")
    client.dispatch("next")
    assert second.receive()["action"] == "next"
