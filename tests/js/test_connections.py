"""How a connection is kept, comes back and ends."""

from __future__ import annotations

import pytest

from js.client import QUICK, Client
from js.runtime import Page, Runtime
from js.server import ScriptedServer


def test_after_a_loss_it_resumes_from_what_it_has(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, **QUICK)
    first = server.accept()
    first.state(7, {"count": 1, "name": "Ada"}, resume="new")
    client.until("told.length === 1")
    first.cut()
    second = server.accept()
    second.state(9, {"count": 2}, resume="recovered")
    seen = client.until("told.length === 2")
    assert (first.query, second.query) == ({}, {"epoch": "e1", "version": "7"})
    assert [state["state"] for state in seen["states"]] == ["open", "waiting", "connecting", "open"]
    assert client.run("const late = []; session.on('name', (name) => late.push(name)); return late") == ["Ada"]


@pytest.mark.parametrize("code", [4401, 4404])
def test_the_end_of_the_session_is_final(runtime: Runtime, server: ScriptedServer, code: int) -> None:
    client = Client(runtime, server, base=0)
    conversation = server.accept()
    conversation.state(0, {}, resume="new")
    client.until("session.state === 'open'")
    conversation.close(code, "logged out")
    seen = client.until("session.state === 'closed'")
    assert seen["states"][-1] == {"state": "closed", "code": code, "reason": "logged out", "retryIn": None}
    client.dispatch("cart.add")
    assert client.until("answers[0]")["answers"][0]["code"] == "closed"
    client.run("globalThis.other = connect(arguments[0])", f"{server.url}ws/?other=1")
    assert server.accept().query == {"other": "1"}  # with base=0, an attempt of the first would have come before


def test_after_a_move_a_missing_session_is_tried_again(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, **QUICK)
    first = server.accept()
    first.state(3, {"count": 1}, resume="new")
    client.until("session.state === 'open'")
    first.close(4012)
    server.accept().close(4401)  # the cookie of a login in another tab has not come yet
    server.accept().close(4404)
    server.accept().state(0, {"count": 2}, epoch="e2", resume="not_found")
    assert client.until("told.length === 2")["told"] == [1, 2]


def test_after_a_move_a_session_that_stays_away_is_given_up(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, **QUICK)
    first = server.accept()
    first.state(3, {"count": 1}, resume="new")
    client.until("session.state === 'open'")
    first.close(4012)
    for _ in range(5):
        server.accept().close(4401)
    assert client.until("session.state === 'closed'")["states"][-1]["code"] == 4401


def test_a_connection_that_answers_nothing_is_taken_for_dead(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, timeout=3, **QUICK)
    first = server.accept()
    second = server.accept()  # the first state of the first one did not come
    second.state(0, {}, resume="new")
    client.until("session.state === 'open'")
    client.dispatch("lost")
    second.receive()
    server.accept().state(0, {}, resume="recovered")
    assert client.until("answers[0]")["answers"][0]["code"] == "timeout"
    assert first.closed_by_client() in (1000, 1005)


def test_when_the_server_asks_to_come_back_it_does_at_once(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, base=600, cap=600)
    first = server.accept()
    first.state(0, {}, resume="new")
    client.until("session.state === 'open'")
    first.close(4012)
    server.accept().state(0, {}, resume="recovered")
    seen = client.until("states.length === 4")
    assert seen["states"][1]["code"] == 4012
    assert 0 <= seen["states"][1]["retryIn"] <= 0.25


def test_waits_grow_up_to_the_cap_and_start_anew_after_a_first_state(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server, base=0.004, cap=0.016)
    for _ in range(5):
        server.accept().cut()
    conversation = server.accept()
    conversation.state(0, {}, resume="new")
    client.until("session.state === 'open'")
    conversation.cut()
    seen = client.until("states.filter(({ state }) => state === 'waiting').length === 6")
    waits = [state["retryIn"] for state in seen["states"] if state["state"] == "waiting"]
    longest = [0.004, 0.008, 0.016, 0.016, 0.016, 0.004]
    assert all(0 <= wait <= limit for wait, limit in zip(waits, longest, strict=True))


def test_close_ends_it_and_rejects_what_waits(runtime: Runtime, server: ScriptedServer) -> None:
    client = Client(runtime, server)
    conversation = server.accept()
    client.dispatch("cart.add")
    client.run("session.close(); session.close();")
    seen = client.until("answers[0]")
    assert (seen["state"], seen["answers"][0]["code"]) == ("closed", "closed")
    assert conversation.closed_by_client() == 1000


def test_in_a_page_a_path_is_enough(chromium_page: Page, server: ScriptedServer) -> None:
    chromium_page.driver.get(server.url)
    chromium_page.run("const { connect } = await import('/session.js'); globalThis.session = connect('/ws/?page=1');")
    assert server.accept().query == {"page": "1"}


def test_when_the_browser_is_online_again_it_tries_at_once(chromium_page: Page, server: ScriptedServer) -> None:
    chromium_page.driver.get(server.url)
    client = Client(chromium_page, server, base=600, cap=600)
    first = server.accept()
    first.state(3, {}, resume="new")
    client.until("session.state === 'open'")
    chromium_page.driver.set_network_conditions(offline=True, latency=0, throughput=-1)
    first.cut()
    client.until("session.state === 'waiting'")
    chromium_page.driver.delete_network_conditions()
    assert server.accept().query == {"epoch": "e1", "version": "3"}
