"""Two workers in one OS process: that of the test itself, and another whose events come over a shared backend."""

from contextlib import contextmanager

from django.db import connections
from shared.lab import LabBackend, settle

from phoenix_sessions.contrib.chat import live, storage
from phoenix_sessions.contrib.chat.events import Sent, name_of, payload_of
from phoenix_sessions.contrib.chat.types import Draft
from phoenix_sessions.manager import SessionManager


class Engine(LabBackend):
    """The backend in memory, as if it were shared."""

    shared = True


class Silent(LabBackend):
    """A shared backend that carries no events, as SQLite does not."""

    shared = True
    carries_notices = False


@contextmanager
def two_workers(here, clock, backend):
    """Put the test's own worker and another on a backend; gives the other."""
    here.replace(None, clock, backend)
    there = SessionManager()
    there.replace(None, clock, backend)
    yield there
    there.supervisor.stop()
    there.disconnect()


def send(conversation, sender, count=1, **given):
    """Store messages, and tell nobody."""
    drafts = [Draft(conversation, sender, {"text": str(number)}, **given) for number in range(count)]
    return [outcome.message for outcome in storage.append_batch(drafts)]


def tell(conversation, *events):
    """Tell what has happened, as this worker."""
    for event in events:
        live.tell(conversation, event)


def tell_from(worker, conversation, *events):
    """Tell what has happened, as another worker."""
    stream = worker.stream(f"chat.c.{conversation}")
    for event in events:
        stream.publish_nowait(name_of(event), payload_of(event))


def say(conversation, sender, count=1):
    """Store messages and tell them."""
    sent = send(conversation, sender, count)
    tell(conversation, *map(Sent, sent))
    return sent


def on_thread(function, *args, **kwargs):
    """Call a function that uses the database on a thread of somebody's, and leave no connection there."""
    try:
        return function(*args, **kwargs)
    finally:
        connections.close_all()


__all__ = ["Engine", "Silent", "on_thread", "say", "send", "settle", "tell", "tell_from", "two_workers"]
