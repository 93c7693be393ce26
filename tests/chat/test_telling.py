"""What is told after a commit: once, and to the members' inboxes as soon as they are known."""

import os
import threading
import time

import pytest
from chat.forking import in_child, no_thread_reads
from chat.refusing import code
from django.db import connections
from racing import race, until

from phoenix_sessions import Gap
from phoenix_sessions.contrib.chat import inboxes, live, storage, telling
from phoenix_sessions.contrib.chat.gate import Gate
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.inboxes import Inboxes
from phoenix_sessions.contrib.chat.telling import Telling
from phoenix_sessions.contrib.chat.turns import Turns
from phoenix_sessions.contrib.chat.types import Draft


def draft(conversation, sender, client_id=None):
    return Draft(conversation, sender, {"text": "hello"}, client_id=client_id)


@pytest.fixture
def hints(chat):
    """Of which conversations Bob's inbox is told that they have changed."""
    told = []
    with live.inbox_stream(chat.bob).subscribe(
        lambda each: isinstance(each, Gap) or told.extend(each.payload["conversations"])
    ):
        yield told


@pytest.fixture
def own_inboxes(chat):
    """Inboxes of the test's own."""
    made = Inboxes()
    yield made
    made.end()
    until(lambda: not made._thread, 20)


@pytest.fixture
def away(chat, settings):
    """Has the database be away, or there again."""
    here = connections.settings[chat.alias]
    nowhere = {**here, "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": "1", "USER": "x"}
    connections.settings["nowhere"] = {**nowhere, "OPTIONS": {}}

    def go(gone):
        settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": "nowhere" if gone else chat.alias}

    yield go
    del connections.settings["nowhere"]


# -- inboxes ----------------------------------------------------------------------------------------------------------


def test_inboxes_of_a_busy_conversation_are_told_now_and_then(chat, dm, hints, own_inboxes):
    began, count = time.monotonic(), 0
    while time.monotonic() < began + 0.5:
        own_inboxes.tell_members(dm)
        count += 1
    assert own_inboxes.wait_until_told(20)
    live._inboxes.flush()
    assert 1 <= hints.count(dm) <= 2 + (time.monotonic() - began) / 0.2 < count


def test_the_last_change_is_told_too(chat, dm, hints, own_inboxes):
    own_inboxes.tell_members(dm)
    until(lambda: dm in hints, 20)
    hints.clear()
    own_inboxes.tell_members(dm)
    until(lambda: dm in hints, 20)


def test_while_the_database_is_away_members_are_asked_for_again(chat, dm, hints, own_inboxes, away, caplog):
    caplog.set_level("INFO", "phoenix_sessions.chat")
    away(True)
    own_inboxes.tell_members(dm)
    until(lambda: "its members are not known" in caplog.text, 20)
    away(False)
    until(lambda: dm in hints, 20)
    assert own_inboxes.wait_until_told(20)


def test_members_that_are_never_known_are_given_up(chat, dm, own_inboxes, away, caplog, monkeypatch):
    monkeypatch.setattr(inboxes, "_TRIES", 2)
    away(True)
    own_inboxes.tell_members(dm)
    until(lambda: "1 conversations: their members' inboxes could not be told" in caplog.text, 20)
    assert own_inboxes.wait_until_told(20)


def test_the_thread_ends_when_there_is_nothing_to_do_and_begins_again(chat, dm, hints, own_inboxes, monkeypatch):
    monkeypatch.setattr(inboxes, "_LINGER", 0.01)
    for _ in range(2):
        own_inboxes.tell_members(dm)
        until(lambda: dm in hints, 20)
        until(lambda: own_inboxes._thread is None, 20)
        hints.clear()


def test_once_it_has_ended_nobody_is_told(chat, dm, hints, own_inboxes):
    own_inboxes.end()
    own_inboxes.tell_members(dm)
    assert own_inboxes.wait_until_told(20)
    assert hints.count(dm) == 0


def test_nothing_to_tell_is_told_at_once():
    assert Inboxes().wait_until_told(0)


# -- what was told ----------------------------------------------------------------------------------------------------


def test_what_was_told_is_known_for_so_many_messages(chat, dm, monkeypatch):
    monkeypatch.setattr(telling, "REMEMBERED", 3)
    own, called = Telling(), []
    own.on_sent.append(lambda conversation, message: called.append(message.seq))
    messages = [stored.message for stored in storage.append_batch([draft(dm, chat.alice) for _ in range(4)])]
    for message in [*messages, messages[3], messages[1], messages[0]]:
        own.sent(message)
    own.end()
    assert called == [1, 2, 3, 4, 1]


@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_child_sends_and_tells_by_itself(chat, dm):
    gateway.append(draft(dm, chat.alice))
    until(lambda: gateway._telling._inboxes.wait_until_told(0), 20)
    no_thread_reads()
    connections[chat.alias].close()

    def child():
        gateway.append(draft(dm, chat.bob))
        assert gateway.drain(20)

    assert in_child(child) == 0
    assert gateway.append(draft(dm, chat.alice)).message.seq == 3


# -- turns and the gate -----------------------------------------------------------------------------------------------


def test_turns_of_one_name_come_one_after_the_other():
    turns, inside, most = Turns(), [], []

    def take():
        for _ in range(50):
            with turns.of("a"):
                inside.append(1)
                most.append(len(inside))
                os.sched_yield()
                inside.pop()

    race(*[take] * 6)
    assert set(most) == {1}
    assert len(most) == 300
    assert len(turns) == 0


def test_turns_of_different_names_do_not_wait_for_each_other():
    turns = Turns()
    with turns.of("a"), turns.of("b"):
        assert len(turns) == 2


def test_a_turn_that_fails_ends():
    turns = Turns()
    for _ in range(2):
        with pytest.raises(OSError, match="x"), turns.of("a"):
            raise OSError("x")
    assert len(turns) == 0


def test_a_closed_gate_lets_nobody_in_and_all_out():
    gate, out = Gate(), threading.Event()

    def stay():
        with gate:
            out.wait(20)

    inside = threading.Thread(target=stay)
    inside.start()
    until(lambda: len(gate) == 1, 20)
    gate.close()
    assert code(gate.__enter__) == "backpressure"
    assert not gate.wait_until_empty(0)
    out.set()
    assert gate.wait_until_empty(20)
    inside.join(20)
