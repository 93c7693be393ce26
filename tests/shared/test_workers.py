"""Workers beside each other: nothing is lost, versions never go back, nobody starves, all hear the last value."""

import asyncio
import random
import threading
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from racing import race, until
from shared.lab import LabBackend, Room, lost, refused, replica, settle

from phoenix_sessions import ReducerError, VersionNotFound
from phoenix_sessions.manager import SessionManager
from phoenix_sessions.testing import FakeClock


class Two(RuleBasedStateMachine):
    """Two workers and a list, which is what the session must be."""

    def __init__(self):
        super().__init__()
        clock = FakeClock()
        self.backend = LabBackend({}, clock)
        self.workers = [SessionManager(), SessionManager()]
        for worker in self.workers:
            worker.replace(None, clock, self.backend)
        self.refs = [worker.ref("room") for worker in self.workers]
        self.workers[0].start_session("room", Room, ttl=None)
        self.model = [()]
        self.n = 0
        self.heard = [None, None]
        self.versions = [0, 0]

    def teardown(self):
        settle(*self.workers)
        assert [ref.get_state("tally") for ref in self.refs] == [self.model[-1]] * 2
        for heard in self.heard:
            assert heard is None or heard[-1] == self.model[-1]
        for worker in self.workers:
            worker.supervisor.stop()

    def done(self, worker, version):
        assert version == len(self.model) - 1
        assert self.versions[worker] <= version
        self.versions[worker] = version

    which = st.sampled_from([0, 1])

    @rule(worker=which, trouble=st.sampled_from([None, None, refused, lost]))
    def dispatch(self, worker, trouble):
        if trouble is not None:
            self.backend.after("commit", trouble) if trouble is lost else self.backend.before("commit", trouble)
        self.n += 1
        self.model.append((*self.model[-1], self.n))
        self.done(worker, self.refs[worker].dispatch("tally.add", self.n))

    @rule(worker=which, number=st.integers(2, 5))
    def dispatch_several(self, worker, number):
        async def several():
            first = self.n
            self.n += number
            return await asyncio.gather(
                *(self.refs[worker].adispatch("tally.add", first + each + 1) for each in range(number))
            )

        first = self.n
        versions = asyncio.run(several())
        for each in range(number):
            self.model.append((*self.model[-1], first + each + 1))
        assert sorted(versions) == list(range(len(self.model) - number, len(self.model)))

    @rule(worker=which)
    def post(self, worker):
        self.n += 1
        self.refs[worker].dispatch_nowait("tally.add", self.n)
        settle(self.workers[worker])
        self.model.append((*self.model[-1], self.n))

    @rule(worker=which)
    def fail(self, worker):
        with pytest.raises(ReducerError):
            self.refs[worker].dispatch("tally.fail")

    @rule(worker=which)
    def empty(self, worker):
        if self.model[-1]:
            self.model.append(())
        self.done(worker, self.refs[worker].dispatch("tally.empty"))

    @rule(worker=which, back=st.integers(0, 3))
    def travel(self, worker, back):
        version = max(0, len(self.model) - 1 - back)
        try:
            now = self.refs[worker].travel_to(version)
        except VersionNotFound:
            return
        self.model.append(self.model[version])
        self.done(worker, now)

    @rule(worker=which)
    def subscribe(self, worker):
        if self.heard[worker] is None:
            heard = self.heard[worker] = []
            self.refs[worker].subscribe("tally", receiver=lambda event, value: heard.append(value))

    @precondition(lambda self: any(heard is not None for heard in self.heard))
    @rule()
    def let_notices_come(self):
        settle(*self.workers)

    @rule(worker=which)
    def leave_memory(self, worker):
        session = replica(self.workers[worker])
        if session is not None:
            session.leave_for_another()

    @rule(worker=which)
    def miss_notices(self, worker):
        hub = self.workers[worker].shared.engine.hub
        hub.lost()
        for id in list(hub._watched):
            hub.watching(id)

    @invariant()
    def versions_here_are_versions_of_the_model(self):
        for worker, ref in zip(self.workers, self.refs, strict=True):
            session = replica(worker)
            if session is not None and not session.busy:
                assert ref.version < len(self.model)
                assert ref.state["tally"] == self.model[ref.version]


def test_two_workers_do_what_one_would_do():
    run_state_machine_as_test(
        Two,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whoever_hears_hears_in_order_and_hears_the_last(seed):
    chance = random.Random(seed)
    clock = FakeClock()
    backend = LabBackend({}, clock)
    workers = [SessionManager() for _ in range(3)]
    for worker in workers:
        worker.replace(None, clock, backend)
    refs = [worker.ref("room") for worker in workers]
    workers[0].start_session("room", Room)
    heard = [[] for _ in refs]
    for ref, each in zip(refs, heard, strict=True):
        ref.subscribe("tally", receiver=lambda event, value, each=each: each.append(len(value)))
    race(*(lambda ref=ref: [ref.dispatch("tally.add", chance.random()) for _ in range(10)] for ref in refs))
    settle(*workers)
    for each in heard:
        assert each == sorted(set(each))
        assert each[-1] == 30
    for worker in workers:
        worker.supervisor.stop()


def contend(workers, each, *, tasks=1):
    """Have every worker dispatch as fast as it can; returns the versions that each was given."""
    refs = [worker.ref("room") for worker in workers]

    async def several(ref):
        return [await ref.adispatch("count.up") for _ in range(each)]

    async def all_of(ref):
        answers = await asyncio.gather(*(several(ref) for _ in range(tasks)))
        return [version for answer in answers for version in answer]

    return race(*(lambda ref=ref: asyncio.run(all_of(ref)) for ref in refs))


def test_workers_that_contend_lose_nothing_and_nobody_starves(start_worker, system_clock):
    backend = LabBackend({}, None)
    workers = [start_worker(backend, system_clock) for _ in range(4)]
    workers[0].start_session("room", Room)
    versions = contend(workers, 25)
    assert Counter(version for worker in versions for version in worker) == Counter(range(1, 101))
    assert workers[0].ref("room").get_state("count") == 100
    assert backend.asked["commit"] < 400


class Remote(LabBackend):
    """One that has its askers wait, as all do that are somewhere else, so that others come meanwhile."""

    async def acommit(self, *args):
        await asyncio.sleep(0)
        return await super().acommit(*args)


def test_workers_that_contend_with_many_tasks_share_commits(start_worker, system_clock):
    backend = Remote({}, None)
    workers = [start_worker(backend, system_clock) for _ in range(2)]
    workers[0].start_session("room", Room)
    versions = contend(workers, 10, tasks=20)
    assert Counter(version for worker in versions for version in worker) == Counter(range(1, 401))
    assert backend.asked["commit"] < 400


def test_after_a_few_conflicts_a_worker_queues_for_a_lease_and_gives_it_back(here, there, backend):
    ref, far = here.start_session("room", Room), there.ref("room")
    conflicts = [lambda *_: far.dispatch("count.up") for _ in range(1)]
    backend.before("commit", conflicts[0])
    for _ in range(3):  # what the other commits is looked at by the same list, so it takes its turns
        backend.before("commit", lambda *_: None, lambda *_: far.dispatch("count.up"))
    ref.dispatch("count.up")
    assert backend.asked["claim"] >= 1
    assert backend.asked["release"] >= 1
    assert backend._leases == {}


def test_a_lease_that_cannot_be_had_holds_nobody_up(here, there, backend, clock):
    ref, far = here.start_session("room", Room), there.ref("room")
    backend.claim("turn/room", "somebody", 1000)
    backend.before("commit", lambda *_: far.dispatch("count.up"))
    for _ in range(3):
        backend.before("commit", lambda *_: None, lambda *_: far.dispatch("count.up"))
    began = clock.monotonic()
    ref.dispatch("count.up")
    assert clock.monotonic() - began < 6


def test_an_engine_without_leases_holds_nobody_up(here, there, backend, clock):
    ref, far = here.start_session("room", Room), there.ref("room")
    backend.before("claim", *[refused] * 1000)
    backend.before("commit", lambda *_: far.dispatch("count.up"))
    for _ in range(3):
        backend.before("commit", lambda *_: None, lambda *_: far.dispatch("count.up"))
    began = clock.monotonic()
    ref.dispatch("count.up")
    assert clock.monotonic() - began < 1


def test_an_end_while_others_wait_for_their_turn_answers_all(start_worker, system_clock):
    backend = LabBackend({}, None)
    first, second = (start_worker(backend, system_clock) for _ in range(2))
    first.start_session("room", Room)
    stop = threading.Event()

    def dispatch(worker):
        try:
            while not stop.is_set():
                worker.ref("room").dispatch("count.up")
        except Exception as error:
            return type(error).__name__

    def end():
        until(lambda: replica(second) is not None and second.ref("room").version > 20)
        first.terminate("room")

    answers = race(*[lambda worker=worker: dispatch(worker) for worker in (first, second) * 3], end)
    stop.set()
    assert set(answers[:-1]) <= {"SessionNotFound", "SessionStopped"}
    for worker in (first, second):
        settle(worker)
        assert replica(worker) is None


# -- the essential on Redis --------------------------------------------------------------------------------------------


@pytest.fixture
def on_redis(redis_backends, start_worker, system_clock):
    return [start_worker(redis_backends(), system_clock) for _ in range(2)]


def test_workers_on_redis_lose_nothing(on_redis):
    on_redis[0].start_session("room", Room)
    heard = []
    on_redis[1].ref("room").subscribe("count", receiver=lambda event, value: heard.append(value))
    versions = contend(on_redis, 20, tasks=5)
    assert Counter(version for worker in versions for version in worker) == Counter(range(1, 201))
    until(lambda: heard[-1] == 200)
    assert heard == sorted(set(heard))


def test_a_session_on_redis_ends_and_moves_everywhere(on_redis):
    first, second = on_redis
    ref = first.start_session("room", Room)
    ref.dispatch("tally.add", 1)
    heard = []
    second.ref("room").subscribe("tally", receiver=lambda *told: heard.append(told))
    until(lambda: replica(second).fresh)
    moved = first.move("room", "hall")
    moved.dispatch("tally.add", 2)
    until(lambda: heard[-1] == ("state_changed", (1, 2)))
    assert [entry.version for entry in second.ref("hall").history()] == [1, 2]
    second.terminate("hall", "over")
    until(lambda: heard[-1] == ("terminated", "over"))
    assert not first.started("hall")


def test_ids_on_redis_are_applied_once(on_redis):
    on_redis[0].start_session("room", Room)
    for worker in on_redis * 2:
        worker.ref("room").dispatch("tally.add", 1, meta={"id": "a"})
    assert on_redis[0].ref("room").get_state("tally") == (1,)


def test_one_worker_on_redis_undoes_what_another_did(on_redis):
    first, second = on_redis
    ref = first.start_session("room", Room)
    ref.call(("put", "topic", {"a": (1, 2)}))
    second.ref("room").dispatch("tally.add", 1)
    ref.undo()
    assert second.ref("room").get_state() == {"tally": (), "count": 0, "topic": {"a": (1, 2)}}
    with pytest.raises(Exception, match="as asked"):
        second.ref("room").call("crash")
    assert ref.get_state() == {"tally": (), "count": 0}
