"""Telling: every listener, on every worker, never waiting and never failing; inboxes in their own time."""

import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from racing import race, until

from phoenix_sessions import Gap
from phoenix_sessions.contrib.chat import live
from phoenix_sessions.contrib.chat.coalescer import MOST_NAMES, Coalescer
from phoenix_sessions.contrib.chat.events import (
    Changed,
    ChangedLarge,
    Chunk,
    Deleted,
    Edited,
    Sent,
    SentLarge,
    Typing,
    event_of,
)
from phoenix_sessions.contrib.chat.ids import new_id
from phoenix_sessions.contrib.chat.kinds import ConversationKind, ConversationStatus, MessageKind, ParticipantKind, Role
from phoenix_sessions.contrib.chat.storage.connection import now
from phoenix_sessions.contrib.chat.types import Conversation, Member, Message

ROOM = "01HROOM"
LARGE = {"text": "x" * 70_000}


def message(seq=1, **given):
    values = {"sender": "user:alice", "kind": MessageKind.TEXT, "content": {"text": "hi"}, "metadata": {}}
    return Message(id=new_id(), conversation=ROOM, seq=seq, client_id=None, created_at=now(), **{**values, **given})


def conversation(members=()):
    return Conversation(ROOM, ConversationKind.GROUP, ConversationStatus.OPEN, "three", {}, 0, None, now(), members)


def member(name):
    return Member(name, ParticipantKind.USER, "N" * 200, Role.MEMBER, 0, now())


@pytest.fixture
def debug(settings, own_sessions):
    """What is told is looked at as an engine would."""
    settings.DEBUG = True
    own_sessions.reconfigure()


@pytest.fixture
def told(debug):
    """What a listener is told of the conversation."""
    told = []
    with live.conversation_stream(ROOM).subscribe(told.append):
        yield told


@pytest.mark.parametrize("event", [Sent(message()), Edited(message(edited_at=now())), Typing(ROOM, "user:bob")])
def test_who_listens_gets_the_event_itself(told, debug, event):
    live.tell(ROOM, event)
    assert [event_of(each.payload) for each in told] == [event]
    assert [each.name for each in told] == [event.__struct_config__.tag]


@pytest.mark.parametrize("payload", [None, [], {}, {"type": "other"}, {"type": ["typing"]}, {"type": "typing"}, {1: 2}])
def test_what_is_no_event_is_refused_as_such(payload):
    with pytest.raises(msgspec.ValidationError):
        event_of(payload)


def test_a_message_too_large_for_an_event_is_told_as_where_it_is(told, debug):
    large = message(7, content=LARGE)
    for event in (Sent(large), Edited(large), Deleted(large)):
        live.tell(ROOM, event)
    changed = ChangedLarge(ROOM, large.id)
    assert [event_of(each.payload) for each in told] == [SentLarge(ROOM, 7), changed, changed]


def test_a_conversation_too_large_for_an_event_is_told_without_its_members(told, debug):
    live.tell(ROOM, Changed(large := conversation(tuple(member(f"user:{number}") for number in range(1000)))))
    assert [event_of(each.payload) for each in told] == [Changed(msgspec.structs.replace(large, members=()))]


def test_what_cannot_be_told_harms_nobody(told, debug, caplog):
    live.tell(ROOM, Chunk(ROOM, "agent:robot", "answer", 0, "x" * 70_000))
    live.tell("not a name", Typing("not a name", "user:bob"))
    live.tell_inboxes(ROOM, ["\ud800"])
    assert told == []
    assert caplog.text.count("could not be told") == 3


def test_an_inbox_has_a_stream_whatever_its_owner_is_called(own_sessions):
    names = {live.inbox_stream(each).name for each in ("user:alice", "user alice", "ü" * 200, "")}
    assert len(names) == 4


def test_inboxes_are_told_which_conversation_has_changed(own_sessions):
    told = []
    with live.inbox_stream("user:one").subscribe(told.append), live.inbox_stream("user:two").subscribe(told.append):
        live.tell_inboxes(ROOM, ["user:one", "user:two"])
    assert [each.payload for each in told] == [{"conversations": [ROOM]}] * 2


def test_what_waits_for_inboxes_is_told_before_this_worker_stops(own_sessions):
    told = []
    live.inbox_stream("user:leaver").subscribe(told.append)
    live.tell_inboxes("first", ["user:leaver"])
    live.tell_inboxes("second", ["user:leaver"])
    own_sessions.stop(5)
    assert [each.payload["conversations"] for each in told[:-1]] == [["first"], ["second"]]
    assert told[-1] == Gap("stopped", live=False)


# -- in its own time ---------------------------------------------------------------------------------------------------


@pytest.fixture
def said():
    return []


def make(said, seconds):
    return Coalescer(lambda who, names: said.append((who, names)), seconds)


def test_who_is_quiet_is_told_at_once_and_then_all_that_came_at_once(said):
    coalescer = make(said, 0.2)
    for number in range(100):
        coalescer.tell(f"c{number}", ["alice"])
    assert said[0] == ("alice", ["c0"])
    until(lambda: {name for _, names in said for name in names} == {f"c{number}" for number in range(100)})
    assert len(said) < 100


def test_a_name_is_told_once_however_often_it_came(said):
    coalescer = make(said, 3600)
    for _ in range(9):
        coalescer.tell("c", ["alice"])
    coalescer.flush()
    assert said == [("alice", ["c"]), ("alice", ["c"])]


def test_of_too_many_names_none_is_told(said):
    coalescer = make(said, 3600)
    for number in range(MOST_NAMES + 2):
        coalescer.tell(f"c{number}", ["alice"])
    coalescer.flush()
    assert said[1:] == [("alice", None)]


def test_as_many_names_as_may_be_are_told(said):
    coalescer = make(said, 3600)
    for number in range(MOST_NAMES + 1):
        coalescer.tell(f"c{number}", ["alice"])
    coalescer.flush()
    assert [len(names) for _, names in said] == [1, MOST_NAMES]


def test_who_may_be_told_again_is_forgotten(said):
    coalescer = make(said, 0.01)
    for number in range(1000):
        coalescer.tell("c", [f"user:{number}"])
    until(lambda: coalescer.tell("c", ["alice"]) or len(coalescer) == 1)


def test_the_thread_ends_when_nothing_waits(said):
    coalescer = make(said, 0.01)
    coalescer.tell("one", ["alice"])
    coalescer.tell("two", ["alice"])
    until(lambda: ("alice", ["two"]) in said)
    until(lambda: coalescer._thread is None)
    until(lambda: not [each for each in threading.enumerate() if each.name == "phoenix_chat-inboxes"])


@given(st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 3)))))
def test_whatever_comes_it_is_told_afterwards(changes):
    said, before = [], []
    coalescer = make(said, 0.001)
    for conversation, participants in changes:
        before.append(len(said))
        coalescer.tell(conversation, participants)
    coalescer.flush()
    until(lambda: coalescer._thread is None)
    for place, (conversation, participants) in zip(before, changes, strict=True):
        for participant in participants:
            assert any(who == participant and conversation in names for who, names in said[place:])


def test_of_many_threads_nothing_is_lost():
    said = []
    coalescer = make(said, 0.005)
    race(*[lambda part=part: tell_many(coalescer, part) for part in range(6)])
    coalescer.flush()
    wanted = {f"{part}.{each}" for part in range(6) for each in range(100)}
    for who in ("alice", "bob"):
        until(lambda who=who: None in (told := names_for(said, who)) or set().union(*told) == wanted)


def tell_many(coalescer, part):
    for each in range(100):
        coalescer.tell(f"{part}.{each}", ["alice", "bob"])


def names_for(said, who):
    return [names if names is None else set(names) for each, names in tuple(said) if each == who]
