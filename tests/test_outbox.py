"""What wakes the task that sends: something to send, and room to send it."""

import pytest

from phoenix_sessions.frames import OkFrame
from phoenix_sessions.outbox import WINDOW, Outbox


@pytest.fixture
async def outbox():
    return Outbox()


def send(outbox, count):
    """Send as many answers."""
    for _ in range(count):
        outbox.reply(OkFrame(0, 1, 1))
        outbox.text(outbox.next_frame())
    outbox.wake.clear()


async def test_an_acknowledgement_wakes_nobody_while_there_is_room(outbox):
    send(outbox, WINDOW - 1)

    assert outbox.acknowledge(1)

    assert not outbox.wake.is_set()


async def test_an_acknowledgement_that_makes_room_wakes(outbox):
    send(outbox, WINDOW)

    assert outbox.acknowledge(1)

    assert outbox.wake.is_set()


async def test_a_wrong_acknowledgement_wakes_nobody(outbox):
    send(outbox, WINDOW)

    assert not outbox.acknowledge(WINDOW + 1)

    assert not outbox.wake.is_set()


async def test_values_go_before_answers(outbox):
    outbox.reply(OkFrame(0, 1, 1))
    outbox.changed({"count": 1}, 7, 1)

    frames = [outbox.next_frame(), outbox.next_frame(), outbox.next_frame()]

    assert [type(frame).__name__ for frame in frames] == ["StateFrame", "OkFrame", "NoneType"]


async def test_values_that_were_told_are_never_changed(outbox):
    first = {"count": 1}
    outbox.changed(first, 7, 1)
    outbox.changed({"other": 2}, 7, 2)

    frame = outbox.next_frame()

    assert (first, frame.changes, frame.version) == ({"count": 1}, {"count": 1, "other": 2}, 2)
