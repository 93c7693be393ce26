"""An owner that has stood still: it may not be the owner any more, and asks before it answers."""

import asyncio
import threading

import pytest
from shared.owned.owning import PATIENCE, Count, Hang, comes, down, flush, is_free, owned, stand_still

from phoenix_sessions import Reply, SessionNotFound, SessionProcess, telemetry


class Room(SessionProcess):
    reducers = [Count]
    durability = "write_behind"

    def handle_call(self, request, state):
        return Reply(state["count"])


VERBS = {
    "dispatch": lambda ref: ref.dispatch("count.add") and ref.state["count"] - 1,
    "adispatch": lambda ref: asyncio.run(ref.adispatch("count.add")) and ref.state["count"] - 1,
    "get_state": lambda ref: ref.get_state()["count"],
    "get_state of a path": lambda ref: ref.get_state("count"),
    "aget_state": lambda ref: asyncio.run(ref.aget_state())["count"],
    "select_state": lambda ref: ref.select_state(lambda state: state["count"]),
    "aselect_state": lambda ref: asyncio.run(ref.aselect_state("count")),
    "call": lambda ref: ref.call("count"),
    "acall": lambda ref: asyncio.run(ref.acall("count")),
}


@pytest.fixture
def ref(here):
    """A session of this worker, of which all but the last change is written down."""
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    flush(here)
    return ref


@pytest.fixture
def replaced(ref, backend, here, there):
    """The same, once the worker has stood still and another, which owns it now, has counted to three."""
    stand_still(backend, here)
    for _ in range(2):
        there.ref("s").dispatch("count.add")
    return ref


@pytest.fixture(params=["short way", "ordinary way"])
def way(request):
    if request.param == "short way":
        yield
        return
    telemetry.attach("looks on", "phoenix_sessions.dispatch", lambda *_: None)
    yield
    telemetry.detach("looks on")


@pytest.mark.parametrize("verb", VERBS)
def test_what_it_answers_is_what_the_owner_since_has(replaced, there, way, verb):
    assert VERBS[verb](replaced) == 3
    assert there.ref("s").get_state("count") == 3 + ("dispatch" in verb)


@pytest.mark.parametrize("verb", VERBS)
def test_one_that_nobody_has_replaced_goes_on_with_what_it_had_not_written(ref, here, backend, way, verb):
    ref.dispatch("count.add")
    session = owned(here)
    stand_still(backend, here)
    assert VERBS[verb](ref) == 2
    assert owned(here) is session
    assert not is_free(backend, "s")


def test_what_is_posted_is_not_lost(replaced, there):
    replaced.dispatch_nowait("count.add")
    comes(lambda: there.ref("s").get_state("count") == 4)


def test_what_is_posted_on_an_event_loop_is_not_lost(replaced, there):
    async def post():
        replaced.dispatch_nowait("count.add")

    asyncio.run(post())
    comes(lambda: there.ref("s").get_state("count") == 4)


@pytest.mark.parametrize("twin", ["terminate", "aterminate"])
def test_the_session_ends_wherever_it_is(replaced, here, there, twin):
    here.terminate("s") if twin == "terminate" else asyncio.run(here.aterminate("s"))
    with pytest.raises(SessionNotFound):
        there.ref("s").get_state()


@pytest.mark.parametrize("twin", ["move", "amove"])
def test_the_session_moves_wherever_it_is(replaced, here, there, twin):
    here.move("s", "t") if twin == "move" else asyncio.run(here.amove("s", "t"))
    assert there.ref("t").get_state("count") == 3


def test_many_who_find_it_ask_once(ref, here, backend):
    stand_still(backend, here)
    hang = Hang(backend, "renew", "s")
    backend.calm()
    askers = [threading.Thread(target=ref.dispatch, args=("count.add",)) for _ in range(8)]
    for asker in askers:
        asker.start()
    hang.wait()
    hang.release()
    for asker in askers:
        asker.join()
    assert ref.get_state("count") == 9
    assert backend.asked["renew"] <= 2  # who comes while one is under way cannot know when that began
    assert backend.asked["claim"] == 1


def test_a_renewal_that_began_before_it_stood_still_is_not_believed(configure, here, there, backend):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=0.05, OWNER_LEASE=0.5, BACKEND_PATIENCE=PATIENCE)
    ref = here.start_session("s", Room)
    ref.dispatch("count.add")
    comes(lambda: backend.load("s").at.version == 1)
    hang = Hang(backend, "renew", "s", answered=True)
    hang.wait()  # the engine has said yes
    comes(lambda: owned(here).in_doubt)
    there.ref("s").dispatch("count.add")
    asker = threading.Thread(target=ref.dispatch, args=("count.add",))
    asker.start()
    hang.release()
    asker.join()
    assert there.ref("s").get_state("count") == 3


def test_one_whose_engine_cannot_be_asked_goes_on(ref, here, backend):
    stand_still(backend, here)
    backend.calm()
    down(backend)
    assert ref.dispatch("count.add") == 2
    assert ref.dispatch("count.add") == 3
    assert backend.asked["renew"] == 1
    backend.calm()
