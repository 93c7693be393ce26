"""Coming back with (epoch, version), as a page does after its connection broke."""

import pytest

from phoenix_sessions import CallFailed, Reducer, SessionProcess, on, sessions


class Notes(Reducer):
    name = "notes"

    def init_state(self):
        return {"a": 0, "b": 0}

    @on("set")
    def set(self, action, state):
        return {**state, **action.payload}


class Room(SessionProcess):
    reducers = [Notes]

    def handle_call(self, request, state):
        raise ValueError("as asked")


class Page:
    """A receiver that keeps what it was told last."""

    def __init__(self, ref):
        self.ref, self.told, self.known, self.end = ref, [], None, None

    def changed(self, changes, epoch, version):
        self.told.append(dict(changes))
        self.point = (epoch, version)

    def ended(self, event, reason):
        self.end = (event, reason)

    def failed(self, error):
        raise AssertionError(error)

    def moved(self, session_id):
        self.ref = sessions.ref(session_id)

    async def connect(self, since=None):
        self.told = []
        self.subscription, self.known = await self.ref.asubscribe_all({"a": "notes.a", "b": "notes.b"}, self, since)
        return self


@pytest.fixture
async def page():
    return await Page(await sessions.astart_session("room", Room)).connect()


async def test_the_first_time_all_values_come(page):
    assert page.told == [{"a": 0, "b": 0}]
    assert page.known is False


async def test_one_that_missed_nothing_gets_an_empty_change(page):
    await page.ref.adispatch("notes.set", {"a": 1})
    page.subscription.unsubscribe()
    await page.connect(page.point)
    assert (page.known, page.told) == (True, [{}])


async def test_one_that_missed_something_gets_only_that(page):
    page.subscription.unsubscribe()
    await page.ref.adispatch("notes.set", {"b": 7})
    await page.connect(page.point)
    assert (page.known, page.told) == (True, [{"b": 7}])
    assert page.point[1] == 1


async def test_after_a_restart_the_point_is_unknown_and_all_values_come(page):
    page.subscription.unsubscribe()
    before = page.point
    with pytest.raises(CallFailed):
        await page.ref.acall("crash")
    await page.connect(before)
    assert (page.known, page.told) == (False, [{"a": 0, "b": 0}])
    assert page.point[0] != before[0]


async def test_after_a_new_start_the_point_is_unknown(page):
    before = page.point
    await page.ref.aterminate()
    assert page.end == ("terminated", "normal")
    await sessions.astart_session("room", Room)
    await page.connect(before)
    assert (page.known, page.told) == (False, [{"a": 0, "b": 0}])


@pytest.mark.parametrize("version", [-1, 1, 10**9])
async def test_a_version_that_never_was_is_unknown(page, version):
    await page.connect((page.point[0], version))
    assert (page.known, page.told) == (False, [{"a": 0, "b": 0}])


async def test_a_move_is_told_and_the_point_stays_good(page):
    await sessions.amove("room", "hall")
    assert page.ref.id == "hall"
    page.subscription.unsubscribe()
    await page.ref.adispatch("notes.set", {"a": 3})
    await page.connect(page.point)
    assert (page.known, page.told) == (True, [{"a": 3}])
