"""The gateway: what is committed is told, once, to whom it concerns; and what it refuses."""

import asyncio
import threading

import pytest
from chat.refusing import code

from phoenix_sessions.contrib.chat import live, storage
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.events import Sent, event_of
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Draft


def draft(conversation, sender, client_id=None, text="hello"):
    return Draft(conversation, sender, {"text": text}, client_id=client_id)


@pytest.fixture
def heard(dm):
    """What is told of Alice's conversation with Bob."""
    events = []
    with live.conversation_stream(dm).subscribe(lambda event: events.append(event_of(event.payload))):
        yield events


def test_a_message_is_stored_and_told(chat, dm, heard):
    stored = gateway.append(draft(dm, chat.alice, "a"))
    assert storage.history(dm, chat.bob).messages == (stored.message,)
    assert heard == [Sent(stored.message)]


def test_a_repeat_is_given_the_first_and_tells_nothing(chat, dm, heard):
    first = gateway.append(draft(dm, chat.alice, "a"))
    again = gateway.append(draft(dm, chat.alice, "a", "another"))
    assert (again.message, again.repeat) == (first.message, True)
    assert heard == [Sent(first.message)]
