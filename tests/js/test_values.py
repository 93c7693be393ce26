"""What listeners hear."""

from __future__ import annotations

from js.client import QUICK, Client
from js.runtime import Page, Runtime
from js.server import ScriptedServer


def test_a_listener_gets_the_first_value_and_each_one_after_it(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    conversation = server.accept()
    conversation.state(0, {"count": 1}, resume="new")
    conversation.state(1, {"count": 2})
    seen = client.until("told.length === 2")
    assert (seen["told"], seen["state"]) == ([1, 2], "open")


def test_a_listener_that_comes_later_gets_the_last_value_at_once(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    server.accept().state(0, {"count": 1, "name": "Ada"}, resume="new")
    client.until("told.length === 1")
    assert client.run("const late = []; session.on('name', (name) => late.push(name)); return late") == ["Ada"]


def test_a_listener_that_was_taken_off_hears_no_more(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    client.run("globalThis.early = []; globalThis.off = session.on('count', (value) => early.push(value));")
    conversation = server.accept()
    conversation.state(0, {"count": 1}, resume="new")
    client.until("told.length === 1")
    client.run("off(); off();")
    conversation.state(1, {"count": 2})
    client.until("told.length === 2")
    assert client.run("return early") == [1]


def test_a_listener_that_raises_does_not_keep_others_from_hearing(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    client.run("session.on('first', () => { throw new Error('a bug in the page (meant, a test)'); });")
    conversation = server.accept()
    seq = conversation.state(0, {"first": 0, "count": 1}, resume="new")
    assert client.until("told.length === 1")["told"] == [1]
    assert conversation.receive_any() == {"type": "ack", "seq": seq}


def test_every_frame_is_acknowledged(runtime: Runtime, server: ScriptedServer) -> None:
    Client(runtime, server)
    conversation = server.accept()
    conversation.state(0, {"count": 1}, resume="new")
    conversation.send("error", ref=None, code="bad_frame", message="no")
    conversation.state(1, {"count": 2})
    assert [conversation.receive_any() for _ in range(3)] == [{"type": "ack", "seq": seq} for seq in (1, 2, 3)]


def test_another_life_replaces_all_values(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, **QUICK)
    first = server.accept()
    first.state(7, {"count": 1, "name": "Ada"}, resume="new")
    client.until("told.length === 1")
    first.close(4011)
    server.accept().state(0, {"count": 0}, epoch="e2", resume="not_found")
    assert client.until("told.length === 2")["told"] == [1, 0]
    assert client.run("const late = []; session.on('name', (name) => late.push(name)); return late") == []


def test_a_restart_under_an_open_connection_replaces_all_values(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, **QUICK)
    conversation = server.accept()
    conversation.state(7, {"count": 1, "name": "Ada"}, resume="new")
    conversation.state(0, {"count": 0}, epoch="e2")
    seen = client.until("told.length === 2")
    assert (seen["told"], seen["state"]) == ([1, 0], "open")
    assert client.run("const late = []; session.on('name', (name) => late.push(name)); return late") == []
    conversation.cut()
    assert server.accept().query == {"epoch": "e2", "version": "0"}


def test_a_painted_page_asks_only_for_what_changed_since(chromium_page: Page, server: ScriptedServer) -> None:
    chromium_page.driver.get(server.url)
    chromium_page.run(
        "document.body.setAttribute('data-session-epoch', 41); document.body.setAttribute('data-session-version', 7);"
    )
    client = Client(chromium_page, server)
    conversation = server.accept()
    assert conversation.query == {"epoch": "41", "version": "7"}
    conversation.state(8, {"count": 3}, resume="recovered")
    assert client.until("told.length === 1")["told"] == [3]
