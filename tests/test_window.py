"""No more is on its way to a client than the window holds."""

import asyncio

import pytest

from phoenix_sessions.window import Window


async def test_frames_are_numbered_from_one():
    window = Window(3)
    assert [await window.take() for _ in range(3)] == [1, 2, 3]
    assert window.full


async def test_who_finds_it_full_waits_for_an_acknowledgement():
    window = Window(2)
    await window.take()
    await window.take()
    waiting = asyncio.create_task(window.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert window.acknowledge(1)
    assert await waiting == 3


async def test_an_acknowledgement_covers_all_up_to_its_number():
    window = Window(2)
    await window.take()
    await window.take()
    assert window.acknowledge(2)
    assert [await window.take(), await window.take()] == [3, 4]


async def test_a_client_that_leaves_it_full_is_given_up():
    window = Window(1, timeout=0.01)
    await window.take()
    with pytest.raises(TimeoutError):
        await window.take()


@pytest.mark.parametrize("number", [0, 2, -1, True, "1", None, 1.0])
async def test_what_makes_no_sense_acknowledges_nothing(number):
    window = Window(1)
    await window.take()
    assert not window.acknowledge(number)
    assert window.full
