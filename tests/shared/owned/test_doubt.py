"""An owner that has stood still: it may not be the owner any more, and asks before it answers."""

import asyncio
import threading

import pytest
from shared.lab import listen, refused
from shared.owned.owning import PATIENCE, Count, Doing, Hang, comes, down, flush, is_free, on_loop, owned, stand_still

from phoenix_sessions import Reducer, Reply, SessionNotFound, SessionProcess, create_selector, on, telemetry
from phoenix_sessions.shared.pulse import Pulse
from phoenix_sessions.testing import FakeClock

MANY = 2_000


class Pages(Reducer):
    name = action_prefix = "book"

    def init_state(self):
        return ()

    @on("add")
    def add(self, action, state):
        return (*state, action.payload)


class Book(SessionProcess):
    reducers = [Pages]
    durability = "write_behind"


class Room(SessionProcess):
    """Its slow calls take until a test lets them go."""

    reducers = [Count]
    durability = "write_behind"
    entered, leave = threading.Event(), threading.Event()

    def handle_call(self, request, state):
        if request == "slow":
            self.entered.set()
            assert self.leave.wait(PATIENCE)
        return Reply(state["count"])


@pytest.fixture(autouse=True)
def let_go():
    Room.entered.clear()
    Room.leave.clear()
    yield
    Room.leave.set()


VERBS = {
    "dispatch": lambda ref: ref.dispatch("count.add") and ref.state["count"] - 1,
    "adispatch": lambda ref: asyncio.run(ref.adispatch("count.add")) and ref.state["count"] - 1,
    "get_state": lambda ref: ref.get_state()["count"],
    "get_state of a path": lambda ref: ref.get_state("count"),
    "aget_state": lambda ref: asyncio.run(ref.aget_state())["count"],
    "select_state": lambda ref: ref.select_state(lambda state: state["count"]),
    "aselect_state": lambda ref: asyncio.run(ref.aselect_state("count")),
    "get_state, created": lambda ref: ref.get_state(create_selector("count", lambda count: count)),
    "aget_state, created": lambda ref: asyncio.run(ref.aget_state(create_selector("count", lambda count: count))),
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


def test_what_waits_for_its_turn_when_the_worker_wakes_is_answered_by_the_owner(ref, here, there, backend):
    slow = Doing(ref.call, "slow", PATIENCE)
    assert Room.entered.wait(PATIENCE)
    waiting = Doing(ref.dispatch, "count.add")
    comes(lambda: owned(here).depth == 1)
    stand_still(backend, here)
    for _ in range(2):
        there.ref("s").dispatch("count.add")
    Room.leave.set()
    assert slow.result() == 1
    assert waiting.result() == 4
    assert there.ref("s").get_state("count") == 4


def test_one_refusal_proves_nothing(replaced, backend):
    backend.before("renew", refused)
    assert replaced.dispatch("count.add") == 4


@pytest.mark.parametrize("loop", ["thread", "event loop"])
def test_what_is_posted_is_done_in_its_order(here, backend, loop):
    ref = here.start_session("s", Book)
    flush(here)
    stand_still(backend, here)
    post_many(ref, loop)
    comes(lambda: ref.get_state("book") == tuple(range(MANY)))


@pytest.mark.parametrize("loop", ["thread", "event loop"])
def test_what_is_posted_before_the_session_is_here_is_done_in_its_order(here, there, loop):
    here.start_session("s", Book)
    flush(here)
    ref = there.ref("s")
    post_many(ref, loop)
    comes(lambda: ref.get_state("book") == tuple(range(MANY)))


def post_many(ref, loop):
    async def post():
        for number in range(MANY):
            ref.dispatch_nowait("book.add", number)

    asyncio.run(post()) if loop == "event loop" else asyncio.run(asyncio.to_thread(asyncio.run, post()))


def test_to_look_for_it_leaves_it_where_it_is(replaced, here, there):
    listen(there.ref("s"), "count")
    assert here.started("s")
    assert there.supervisor.registry.get("s") is not None


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
    askers = [Doing(ref.dispatch, "count.add") for _ in range(8)]
    hang.wait()
    hang.release()
    assert sorted(asker.result() for asker in askers) == list(range(2, 10))
    assert backend.asked["renew"] == 1
    assert backend.asked["claim"] == 1


def test_a_renewal_that_began_before_it_stood_still_is_not_believed(ref, here, there, backend):
    hang = Hang(backend, "renew", "s", answered=True)
    renewing = Doing(on_loop, here, lambda: asyncio.wait(here.shared.flusher.begin_renewing()))
    hang.wait()  # the engine has said yes
    stand_still(backend, here)
    here.shared.engine.owner_lease = 0.0  # it is over when the answer comes
    there.ref("s").dispatch("count.add")
    hang.release()
    renewing.result()
    here.shared.engine.owner_lease = 3600
    assert ref.dispatch("count.add") == 3


def test_one_whose_engine_cannot_be_asked_goes_on(configure, here, backend):
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=3600, OWNER_LEASE=3600, BACKEND_PATIENCE=0.1)
    ref = here.start_session("s", Room)
    stand_still(backend, here)
    down(backend)
    assert ref.dispatch("count.add") == 1
    asked = backend.asked["renew"]
    assert ref.dispatch("count.add") == 2
    assert backend.asked["renew"] == asked
    backend.calm()


def test_one_that_is_cut_off_is_in_no_doubt(ref, here, backend):
    down(backend)
    written = owned(here).written
    written.ownership = written.ownership._replace(until=here.supervisor.now() - 1)
    assert ref.dispatch("count.add") == 2
    assert "renew" not in backend.asked or backend.asked["renew"] == 1  # that of the fixture
    backend.calm()


def test_a_worker_knows_that_it_has_stood_still_before_its_loop_does():
    clock = FakeClock()
    pulse = Pulse(clock, 12)
    pulse.beat()
    began = clock.monotonic()
    clock.advance(5)
    assert not pulse.has_stopped_since(began)
    pulse.beat()
    clock.advance(7)
    assert pulse.has_stopped_since(began)
    assert pulse.has_stopped_since(clock.monotonic())  # nobody has beaten since
    pulse.beat()
    assert pulse.has_stopped_since(began)
    assert not pulse.has_stopped_since(clock.monotonic())
