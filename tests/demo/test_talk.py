"""The demo's chat in two browsers against daphne: live, read, edited, deleted, scrolled, streamed, and restarted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from js.browser import browse
from selenium import webdriver
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from demo.proxy import TcpProxy
from demo.server import DemoServer
from demo.talker import Talker

WATCH = """
    globalThis.seen = new Set();
    new MutationObserver(() => {
        const words = document.querySelector(".stream .words")?.textContent;
        if (words) seen.add(words);
    }).observe(document.getElementById("messages"), { childList: true, subtree: true, characterData: true });
"""
PLACE = "return document.querySelector('[data-seq=\"31\"] .words').getBoundingClientRect().top"
ALL_SENT = "!document.querySelector('[data-tick=waiting]')"


@pytest.fixture(scope="module")
def alice(server: DemoServer, browser: webdriver.Chrome) -> Talker:
    return Talker(browser, server.url, "Alice")


@pytest.fixture(scope="module")
def bob(server: DemoServer, chromium: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talker]:
    """Somebody else, in a browser of his own."""
    with browse(chromium, Path(tmp_path_factory.mktemp("bob"))) as driver:
        yield Talker(driver, server.url, "Bob")


@pytest.fixture
def talk(alice: Talker, bob: Talker, request: pytest.FixtureRequest) -> str:
    """A new conversation of both, which both have open."""
    conversation = alice.home().begin("Bob", title=request.node.name)
    bob.home().enter(conversation).until_here()
    return conversation


def stored(talker: Talker, conversation: str) -> list[str]:
    """Return all that was said, as the server has it."""
    page = talker.ask("GET", f"conversations/{conversation}/messages?limit=200")
    return [message["content"]["text"] for message in page["messages"]]


def test_a_message_is_there_at_once_and_unread_until_it_is_seen(alice: Talker, bob: Talker) -> None:
    bob.home()
    conversation = alice.home().begin("Bob")
    alice.write("Are you <b>there</b>?")
    bob.until_item(conversation, "badge", "1")
    assert (bob.item(conversation, "title"), bob.item(conversation, "preview")) == ("Alice", "Are you <b>there</b>?")
    assert bob.run("return document.title") == "(1) Chat · Ember"
    assert alice.run("return document.querySelector('.tick').ariaLabel") == "Sent"
    bob.enter(conversation).until_message("Are you <b>there</b>?")
    bob.until("document.querySelector('.item .badge').hidden && document.title === 'Chat · Ember'")
    alice.until("document.querySelector('.tick').ariaLabel === 'Read'")
    assert bob.text(".fresh") == "New messages"


def test_who_types_and_who_is_here_is_told(alice: Talker, bob: Talker) -> None:
    conversation = alice.home().begin("Bob")
    bob.home().enter(conversation).until_here()
    alice.until_text("#about", "here now")
    bob.type("I am just")
    alice.until_text("#about", "typing …")
    bob.write(" here")
    alice.until_message("I am just here")
    alice.until_text("#about", "here now")
    bob.home()
    alice.until_text("#about", "not here now")
    assert alice.run("return document.getElementById('avatar').dataset.here") == "false"


def test_in_a_group_senders_and_days_are_named(alice: Talker, bob: Talker, talk: str) -> None:
    bob.write("One")
    bob.write("Two")
    alice.until_message("Two")
    assert alice.text(".day") == "Today"
    assert alice.run("return [...document.querySelectorAll('.sender')].map((each) => each.textContent)") == ["Bob", ""]
    alice.until_text("#about", "Bob, You · 2 here now" if bob.id < alice.id else "You, Bob · 2 here now")


def test_earlier_messages_come_as_one_scrolls_up_and_what_is_read_stays_where_it_is(
    alice: Talker, bob: Talker, talk: str
) -> None:
    for who in (alice, bob):
        who.send_by_http(talk, [f"{who.name} {place}" for place in range(40)])
    texts = stored(alice, talk)
    alice.home().enter(talk).until_message(texts[-1])
    assert len(alice.messages) == 50
    alice.run("document.getElementById('scroll').scrollTop = 0")
    before = alice.run(PLACE)
    alice.until("document.querySelectorAll('.message').length === 80")
    assert abs(alice.run(PLACE) - before) < 2
    assert (len(texts), alice.messages) == (80, texts)
    alice.run("document.getElementById('scroll').scrollTop = 0")
    bob.write("Now")
    alice.until_text("#below", "1")
    alice.click("#newest")
    alice.until("document.getElementById('newest').hidden")


def test_ones_own_messages_are_edited_and_deleted(alice: Talker, bob: Talker, talk: str) -> None:
    for text in ("Helo", "Secret"):
        alice.write(text)
        bob.until_message(text)
    alice.choose("Helo", "edit")
    alice.type("!")
    assert alice.run("return document.getElementById('text').value") == "Helo!"
    alice.click("#send")
    bob.until_message("Helo!")
    assert bob.run("return document.querySelector('.edited').hidden") is False
    alice.choose("Secret", "delete")
    alice.click("#sure [value=delete]")
    bob.until_message("This message was deleted")
    bob.until_item(talk, "preview", "Alice: This message was deleted")
    assert bob.messages == alice.messages == ["Helo!", "This message was deleted"]
    assert bob.run("return [...document.querySelectorAll('.more')].every((each) => each.hidden)")


def test_what_was_changed_while_one_was_away_is_shown_afterwards(
    alice: Talker, bob: Talker, talk: str, proxy: TcpProxy
) -> None:
    for text in ("Old", "Gone"):
        alice.write(text)
        alice.until_message(text)
    bob.open(f"{proxy.url}talk/{talk}/")
    bob.until_message("Gone")
    proxy.cut()
    bob.until("document.querySelector('[data-connection]').dataset.connection === 'lost'")
    first, second = alice.ask("GET", f"conversations/{talk}/messages")["messages"]
    alice.ask("PATCH", f"conversations/{talk}/messages/{first['id']}", {"content": {"text": "New"}})
    alice.ask("DELETE", f"conversations/{talk}/messages/{second['id']}")
    alice.write("More")
    proxy.mend()
    bob.until_message("More")
    bob.until_message("This message was deleted")
    assert bob.messages == ["New", "This message was deleted", "More"]


def test_an_agents_answer_streams_and_is_stored_once(alice: Talker) -> None:
    alice.home().begin("Echo")
    alice.run(WATCH)
    alice.write("one two three four")
    alice.until_message("You said: one two three four")
    seen = alice.run("return [...seen]")
    assert len(seen) >= 2
    assert all("You said: one two three four".startswith(each) for each in seen)
    assert alice.messages == ["one two three four", "You said: one two three four"]
    assert (
        alice.home()
        .item(alice.run("return document.querySelector('.item').dataset.id"), "preview")
        .startswith("You said")
    )


def test_a_stranger_sees_nothing(alice: Talker, bob: Talker, server: DemoServer) -> None:
    conversation = alice.home().begin("Carol")
    alice.write("Not for Bob")
    alice.until_message("Not for Bob")
    bob.home()
    cookie = f"sessionid={bob._front().get_cookie('sessionid')['value']}"
    pages = {}
    for id in (conversation, "0" * 26):
        http = HTTPConnection("127.0.0.1", server.port, timeout=20)
        http.request("GET", f"/talk/{id}/", headers={"Cookie": cookie})
        pages[id] = http.getresponse().status
        http.close()
    assert set(pages.values()) == {404}
    assert bob.ask("GET", f"conversations/{conversation}/messages") == {"error": "unauthorized"}
    frames: list[str | bytes] = []
    with connect(
        f"ws://127.0.0.1:{server.port}/chat/conversation/{conversation}",
        additional_headers={"Cookie": cookie, "Origin": server.url.rstrip("/")},
    ) as socket:
        socket.send('{"type": "join"}')
        with pytest.raises(ConnectionClosed):
            frames += iter(socket.recv, None)
    assert [json.loads(frame)["code"] for frame in frames] == ["unauthorized"]
    assert socket.close_code == 4403


def test_what_is_refused_stays_until_it_is_discarded(alice: Talker, bob: Talker, talk: str) -> None:
    alice.ask("POST", f"conversations/{talk}/close")
    bob.until_text("#locked", "This conversation is closed")
    bob.send_all(["Too late"])
    bob.until_text(".wrong", "Not sent.")
    bob.open(f"{bob.url}talk/{talk}/")
    bob.until_text(".wrong", "Not sent.")
    bob.click("[data-drop]")
    assert bob.messages == []


def test_on_a_phone_the_list_and_the_conversation_are_two_screens(
    alice: Talker, browser: webdriver.Chrome, talk: str
) -> None:
    browser.get_log("browser")
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    wide = "return document.documentElement.scrollWidth"
    shown = "return ['.side', '.room'].map((each) => document.querySelector(each).checkVisibility())"
    alice.write("long" * 60)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        conversation = [alice.run(wide), *alice.run(shown)]
        alice.click("#back")
        listed = [alice.run(wide), *alice.run(shown)]
        alice.open(f"{alice.url}talk/{talk}/")
        loaded = alice.run("return performance.getEntriesByType('resource').map(({ name }) => name)")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert (conversation, listed) == ([390, False, True], [390, True, False])
    assert [name for name in loaded if not name.startswith(alice.url)] == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_server_that_is_killed_and_comes_back_loses_and_doubles_nothing(
    alice: Talker, bob: Talker, talk: str, server: DemoServer
) -> None:
    other = alice.begin("Bob", title="another one")
    alice.enter(talk).until_here()
    for who in (alice, bob):
        who.send_all([f"{who.name} {place}" for place in range(40)])
    alice.until_message("Bob 3")
    server.kill()
    alice.until("document.querySelector('[data-connection]').dataset.connection === 'lost'")
    for who in (alice, bob):
        who.until_written()
    alice.enter(other)
    alice.send_all(["while it was away"])
    server.start()
    server.wait()
    for who in (alice, bob):
        who.run("dispatchEvent(new Event('online'))")
    alice.enter(talk)
    for who in (alice, bob):
        who.until(f"{ALL_SENT} && document.querySelectorAll('.message').length === 80")
    assert alice.messages == bob.messages
    assert sorted(alice.messages) == sorted(f"{name} {place}" for name in ("Alice", "Bob") for place in range(40))
    assert [each for each in alice.messages if each.startswith("Alice")] == [f"Alice {place}" for place in range(40)]
    shown = alice.messages
    bob.enter(other).until_message("while it was away")
    stored = [
        page["content"]["text"] for page in alice.ask("GET", f"conversations/{talk}/messages?limit=200")["messages"]
    ]
    assert stored == shown
