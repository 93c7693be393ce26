"""Participants."""

import pytest
from chat.refusing import code

from phoenix_sessions.contrib.chat import storage


def test_a_participant_is_shown_as_it_was_made(chat):
    made = storage.create_participant("user:dave@example.org", "user", "Dave", {"team": [1]})
    assert storage.show_participant("user:dave@example.org") == made
    assert (made.kind, made.status, made.metadata) == ("user", "active", {"team": [1]})


def test_an_id_is_there_once(chat):
    assert code(storage.create_participant, chat.alice) == "conflict"
    assert storage.show_participant(chat.alice).display_name == "Alice"


def test_what_is_given_is_changed(chat):
    storage.update_participant(chat.alice, display_name="A.")
    changed = storage.update_participant(chat.alice, metadata={"x": 1})
    assert (changed.display_name, changed.metadata) == ("A.", {"x": 1})
    assert storage.show_participant(chat.alice) == changed == storage.update_participant(chat.alice)


def test_a_participant_is_disabled_and_enabled(chat):
    assert storage.set_participant_status(chat.bob, "disabled").status == "disabled"
    assert [each.id for each in storage.list_participants(status="disabled")] == [chat.bob]
    assert storage.set_participant_status(chat.bob, "active").status == "active"


def test_participants_are_listed_by_kind_and_page(chat):
    assert [each.id for each in storage.list_participants(kind="agent")] == [chat.robot]
    first = storage.list_participants(limit=2)
    then = storage.list_participants(cursor=first[-1].id, limit=3)
    assert [each.id for each in first + then] == [chat.robot, chat.alice, chat.bob, chat.carol]


@pytest.mark.parametrize("id", ["", "a b", "a\n", "ä", "x" * 129, None, 7])
def test_a_wrong_id_is_invalid(chat, id):
    assert code(storage.create_participant, id) == "invalid"


@pytest.mark.parametrize(
    ("verb", "args", "expected"),
    [
        (storage.show_participant, ["user:nobody"], "not_found"),
        (storage.update_participant, ["user:nobody"], "not_found"),
        (storage.set_participant_status, ["user:nobody", "disabled"], "not_found"),
        (storage.show_participant, ["\0"], "invalid"),
        (storage.create_participant, ["x", "robot"], "invalid"),
        (storage.create_participant, ["x", "user", "n" * 256], "invalid"),
        (storage.create_participant, ["x", "user", "\ud800"], "invalid"),
        (storage.create_participant, ["x", "user", "", {"x": "y" * 20_000}], "too_large"),
        (storage.create_participant, ["x", "user", "", [1]], "invalid"),
        (storage.create_participant, ["x", "user", "", {"x": object()}], "invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(chat, verb, args, expected):
    assert code(verb, *args) == expected


@pytest.mark.parametrize("limit", [0, 201, "10", True])
def test_a_page_has_its_limits(chat, limit):
    assert code(storage.list_participants, limit=limit) == "invalid"
