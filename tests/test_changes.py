"""Changes as an async iterator: the latest value wins."""

import asyncio

import pytest
from samples import CountPair

from phoenix_sessions import CallFailed, SelectorError, SessionNotFound, SessionProcess, sessions


class Room(SessionProcess):
    reducers = [CountPair]

    def handle_call(self, request, state):
        raise ValueError("as asked")


@pytest.fixture
async def ref():
    return await sessions.astart_session("room", Room)


async def following(changes):
    return await asyncio.wait_for(anext(changes), 10)


async def test_the_first_change_has_all_values(ref):
    async with ref.changes(value="count.value", other="count.other") as changes:
        change = await following(changes)
    assert (change.values, change.epoch, change.version) == ({"value": 0, "other": 0}, ref.epoch, 0)


async def test_the_next_ones_have_what_changed(ref):
    async with ref.changes(value="count.value", other="count.other") as changes:
        await following(changes)
        await ref.adispatch("count.add")
        change = await following(changes)
    assert (change.values, change.version) == ({"value": 1}, 1)


async def test_many_commits_between_two_looks_become_one_change(ref):
    async with ref.changes(value="count.value", other="count.other") as changes:
        await following(changes)
        for _ in range(1000):
            await ref.adispatch("count.add")
        await ref.adispatch("count.other")
        change = await following(changes)
        assert (change.values, change.version) == ({"value": 1000, "other": 1}, 1001)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await anext(changes)


async def test_changes_from_other_threads_wake_the_loop(ref):
    async with ref.changes(value="count.value") as changes:
        await following(changes)
        waiting = asyncio.create_task(following(changes))
        await asyncio.sleep(0)
        await asyncio.to_thread(ref.dispatch, "count.add")
        assert (await waiting).values == {"value": 1}


async def test_the_last_value_always_arrives_and_versions_never_go_back(ref):
    def work():
        for _ in range(2000):
            ref.dispatch("count.add")

    versions, value = [], 0
    async with ref.changes(value="count.value") as changes:
        workers = [asyncio.create_task(asyncio.to_thread(work)) for _ in range(3)]
        while value < 6000:
            change = await following(changes)
            versions.append(change.version)
            value = change.values["value"]
        await asyncio.gather(*workers)
    assert versions == sorted(set(versions))
    assert value == versions[-1] == 6000


@pytest.mark.parametrize("elsewhere", [False, True], ids=["this loop", "another thread"])
async def test_the_iteration_ends_with_the_session(ref, elsewhere):
    async with ref.changes(value="count.value") as changes:
        await following(changes)
        if elsewhere:
            await asyncio.to_thread(ref.terminate)
        else:
            await ref.aterminate()
        assert [change async for change in changes] == []


async def test_the_last_change_before_the_end_still_arrives(ref):
    async with ref.changes(value="count.value") as changes:
        await following(changes)
        await ref.adispatch("count.add")
        await ref.aterminate()
        assert [change.values async for change in changes] == [{"value": 1}]


async def test_a_restart_begins_a_new_epoch_with_all_values(ref):
    async with ref.changes(value="count.value", other="count.other") as changes:
        first = await following(changes)
        await ref.adispatch("count.add")
        with pytest.raises(CallFailed):
            await ref.acall("crash")
        change = await following(changes)
    assert change.values == {"value": 0, "other": 0}
    assert (change.epoch, change.version) == (ref.epoch, 0)
    assert change.epoch != first.epoch


async def test_a_selector_that_raises_raises_here(ref):
    async with ref.changes(value="count.value") as changes:
        await following(changes)
        await ref.adispatch("count.empty")
        with pytest.raises(SelectorError):
            await following(changes)


async def test_leaving_unsubscribes(ref):
    async with ref.changes(value="count.value"):
        assert (await sessions.asession_stats()).subscribers == 1
    assert (await sessions.asession_stats()).subscribers == 0


async def test_leaving_by_cancellation_unsubscribes(ref):
    entered = asyncio.Event()

    async def watch():
        async with ref.changes(value="count.value") as changes:
            async for _ in changes:
                entered.set()

    watcher = asyncio.create_task(watch())
    await entered.wait()
    watcher.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watcher
    assert (await sessions.asession_stats()).subscribers == 0


async def test_it_must_be_entered_first(ref):
    with pytest.raises(RuntimeError, match="async with"):
        await anext(ref.changes(value="count.value"))


async def test_the_changes_of_no_session():
    with pytest.raises(SessionNotFound):
        async with sessions.ref("nobody").changes(value="count.value"):
            raise AssertionError("never entered")
