"""The public API against a model: any verbs in any order, on a clock that the machine moves.

HYPOTHESIS_PROFILE=thorough runs many more and longer ones, with a new seed each time.
"""

import asyncio
import os
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from racing import until

from phoenix_sessions import (
    CallFailed,
    CastFailed,
    Reducer,
    ReducerError,
    Reply,
    SessionAlreadyStarted,
    SessionNotFound,
    SessionProcess,
    VersionNotFound,
    create_selector,
    debounce,
    effect,
    on,
    sessions,
    throttle,
)
from phoenix_sessions.testing import FakeClock, isolated_sessions

TTL, PACE, RESTARTS, WITHIN = 10, 2, 3, 5
CANCEL_REF = {"cancel_ref": "hanging"}


class Count(Reducer):
    name = "count"

    def init_state(self):
        return 0

    @on("add")
    def add(self, action, state):
        return state + action.payload if action.payload else state

    @on("fail")
    def fail(self, action, state):
        raise ValueError("as asked")

    @effect("load")
    async def load(self, action, dispatch, state):
        await dispatch(".add", action.payload)
        return action.payload

    @effect("report")
    def report(self, action, dispatch, state):
        dispatch(".add", action.payload)
        return action.payload

    @effect("hang")
    async def hang(self, action, dispatch, state):
        await asyncio.Event().wait()


class PacedCount(Count):
    @on("typed")
    @debounce(PACE)
    def typed(self, action, state):
        return state + action.payload

    @on("refresh")
    @throttle(PACE)
    def refresh(self, action, state):
        return state + action.payload


class Plain(SessionProcess):
    reducers = [Count]
    ttl = TTL

    def handle_call(self, request, state):
        if request == "crash":
            raise ValueError("as asked")
        return Reply(request, {**state, "called": request})


class Paced(Plain):
    reducers = [PacedCount]
    store_middleware = [lambda ref, action, next: next(action)]


class Seen:
    """A receiver that keeps what came last."""

    def __call__(self, event, value):
        self.last = event, value


@dataclass(eq=False)
class Life:
    """The model of a session: its states by version, which version each of them shows, and what is under way."""

    process: type
    first: dict
    touched: float
    states: list = field(default_factory=list)
    shows: list = field(default_factory=list)
    undone: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    typed: tuple | None = None
    refreshed: float = -PACE
    hanging: dict = field(default_factory=dict)
    subscriptions: list = field(default_factory=list)
    restarts: list = field(default_factory=list)
    point: tuple = (0, 0)

    def begin(self):
        self.states, self.shows, self.undone, self.entries = [self.first], [0], [], []
        self.typed, self.refreshed, self.hanging = None, -PACE, {}

    def commit(self, state, type, origin):
        """An action is noted in any case, a handler's answer when it changes something."""
        if state != self.states[-1]:
            self.states.append(state)
            self.shows.append(len(self.shows))
            self.undone = []
        elif type is None:
            return
        self.entries.append((type, len(self.states) - 1, origin))

    def add(self, number, type="count.add", origin="dispatch"):
        self.commit({**self.states[-1], "count": self.states[-1]["count"] + number}, type, origin)

    def cancel_named(self):
        assert all(handle.cancelled() for handle, named in self.hanging.items() if named)
        self.hanging = {handle: False for handle, named in self.hanging.items() if not named}

    def travel(self, version, origin):
        self.states.append(self.states[version])
        self.shows.append(self.shows[version])
        self.entries.append((None, len(self.states) - 1, origin))


ids = st.sampled_from("ab")
numbers = st.integers(0, 3)


class Machine(RuleBasedStateMachine):
    snapshots = Bundle("snapshots")

    @initialize()
    def begin(self):
        self.clock = FakeClock()
        self.isolation = isolated_sessions(self.clock)
        self.isolation.__enter__()
        self.loop = asyncio.new_event_loop()
        self.lives = {}
        self.over = []
        for id, process in (("a", Paced), ("b", Plain)):
            self._start(id, process, {"count": 0}, False, False)

    def teardown(self):
        if hasattr(self, "isolation"):
            try:
                self.nothing_is_left_after_the_end()
            finally:
                self.isolation.__exit__(None, None, None)
                self.loop.close()

    def nothing_is_left_after_the_end(self):
        supervisor = sessions.supervisor
        for ref in sessions.list_sessions():
            ref.terminate()
        self.clock.advance(2 * TTL)
        until(lambda: not supervisor.background.pending)
        assert (len(supervisor.timers), len(supervisor.expiry)) == (0, 0)

    # -- what the rules share ------------------------------------------------------------------------------------

    def life(self, id):
        """Return the model, and note that a message comes; None if the session must not be there."""
        life = self.lives.get(id)
        if life is None:
            for verb in (lambda ref: ref.dispatch("count.add", 1), lambda ref: ref.call("x"), lambda ref: ref.undo()):
                with pytest.raises(SessionNotFound):
                    verb(sessions.ref(id))
        else:
            life.touched = self.clock.monotonic()
        return life

    def paced(self, id):
        return id not in self.lives or self.lives[id].process is Paced

    def end(self, id, event, reason):
        life = self.lives.pop(id)
        assert all(handle.cancelled() for handle in life.hanging)
        assert all(seen.last == (event, reason) for _, seen, _ in life.subscriptions)
        self.over += [(subscription, seen, seen.last) for subscription, seen, _ in life.subscriptions]

    # -- lives ---------------------------------------------------------------------------------------------------

    @rule(id=ids, process=st.sampled_from([Plain, Paced]), again=st.booleans(), twin=st.booleans())
    def start(self, id, process, again, twin):
        self._start(id, process, {"count": 0}, again, twin)

    @rule(id=ids, process=st.sampled_from([Plain, Paced]), again=st.booleans(), snapshot=snapshots)
    def restore(self, id, process, again, snapshot):
        """Into whichever session; the one that is there makes room."""
        data, state = snapshot
        self.terminate(id)
        self._start(id, process, state, again, False, snapshot=data)

    def _start(self, id, process, first, again, twin, **more):
        if twin:
            verb = sessions.aget_or_start if again else sessions.astart_session
            start = lambda: self.loop.run_until_complete(verb(id, process, **more))  # noqa: E731
        else:
            verb = sessions.get_or_start if again else sessions.start_session
            start = lambda: verb(id, process, **more)  # noqa: E731
        if id not in self.lives:
            self.lives[id] = Life(process, first, self.clock.monotonic())
            self.lives[id].begin()
        elif not again:
            with pytest.raises(SessionAlreadyStarted):
                start()
            return
        assert start().id == id

    @rule(id=ids)
    def terminate(self, id):
        if self.life(id):
            sessions.terminate(id, "enough")
            self.end(id, "terminated", "enough")

    @rule(id=ids, new_id=ids)
    def move(self, id, new_id):
        if self.life(id) is None:
            return
        if new_id in self.lives:
            with pytest.raises(SessionAlreadyStarted):
                sessions.move(id, new_id)
        else:
            sessions.move(id, new_id)
            self.lives[new_id] = self.lives.pop(id)

    @rule(id=ids)
    def crash(self, id):
        if (life := self.life(id)) is None:
            return
        hanging, now = life.hanging, self.clock.monotonic()
        with pytest.raises(CallFailed):
            sessions.ref(id).call("crash")
        assert all(handle.cancelled() for handle in hanging)
        life.restarts = [time for time in life.restarts if time > now - WITHIN]
        if len(life.restarts) >= RESTARTS:
            self.end(id, "terminated", "crash")
        else:
            life.restarts.append(now)
            life.begin()

    @rule(seconds=st.sampled_from([1, PACE, WITHIN, TTL - 1, TTL]))
    def advance(self, seconds):
        self.clock.advance(seconds)
        now = self.clock.monotonic()
        for id, life in list(self.lives.items()):
            if life.typed and life.typed[0] <= now:
                life.touched = life.typed[0]
                life.add(life.typed[1], "count.typed", "debounce")
                life.typed = None
            if not life.subscriptions and life.touched + TTL <= now:
                self.end(id, "session_expired", "expired")

    @rule(id=ids)
    def read_in_time(self, id):
        for verb in (self.select, self.touch):
            self.advance(TTL - 1)
            verb(id)

    @rule(id=ids)
    def touch(self, id):
        if self.life(id):
            sessions.touch(id)

    # -- messages ------------------------------------------------------------------------------------------------

    @rule(id=ids, number=numbers, cancel=st.booleans(), twin=st.booleans())
    def dispatch(self, id, number, cancel, twin):
        if (life := self.life(id)) is None:
            return
        ref, meta = sessions.ref(id), CANCEL_REF if cancel else None
        if twin:
            version = self.loop.run_until_complete(ref.adispatch("count.add", number, meta=meta))
        else:
            version = ref.dispatch("count.add", number, meta=meta)
        life.add(number)
        assert version == len(life.states) - 1
        if cancel:
            life.cancel_named()

    @rule(id=ids)
    def fail(self, id):
        if self.life(id):
            with pytest.raises(ReducerError):
                sessions.ref(id).dispatch("count.fail")

    @rule(id=ids, burst=st.lists(st.integers(1, 3), min_size=1, max_size=3))
    def debounced(self, id, burst):
        if not self.paced(id) or (life := self.life(id)) is None:
            return
        for number in burst:
            assert sessions.ref(id).dispatch("count.typed", number) == len(life.states) - 1
            life.typed = self.clock.monotonic() + PACE, number

    @rule(id=ids, number=st.integers(1, 3))
    def throttled(self, id, number):
        if self.paced(id) and (life := self.life(id)):
            now = self.clock.monotonic()
            if now - life.refreshed >= PACE:
                life.refreshed = now
                life.add(number, "count.refresh")
            assert sessions.ref(id).dispatch("count.refresh", number) == len(life.states) - 1

    @rule(id=ids, request=numbers)
    def call(self, id, request):
        if life := self.life(id):
            assert sessions.ref(id).call(request) == request
            life.commit({**life.states[-1], "called": request}, None, "call")

    @rule(id=ids, number=numbers, put=st.booleans())
    def cast(self, id, number, put):
        if life := self.life(id):
            sessions.ref(id).cast(("put", "note", number) if put else ("delete", "note"))
            rest = {key: value for key, value in life.states[-1].items() if key != "note"}
            life.commit({**rest, "note": number} if put else rest, None, "cast")

    @rule(id=ids)
    def refused_cast(self, id):
        if self.life(id):
            with pytest.raises(CastFailed):
                sessions.ref(id).cast("what?")

    @rule(id=ids)
    def select(self, id):
        if life := self.life(id):
            ref, count = sessions.ref(id), life.states[-1]["count"]
            assert ref.select_state("count") == count
            assert ref.select_state(doubled) == (count, 2 * count)
            assert ref.select_state(doubled) is ref.select_state(doubled)

    # -- subscriptions -------------------------------------------------------------------------------------------

    @rule(id=ids, which=st.sampled_from(["whole", "path", "created"]))
    def subscribe(self, id, which):
        if life := self.life(id):
            selector, expected = SELECTORS[which]
            seen = Seen()
            subscription = sessions.ref(id).subscribe(selector, "value", receiver=seen)
            life.subscriptions.append((subscription, seen, expected))

    @rule(id=ids, number=numbers)
    def unsubscribe(self, id, number):
        life = self.lives.get(id)
        if life and life.subscriptions:
            subscription, seen, _ = life.subscriptions.pop(number % len(life.subscriptions))
            subscription.unsubscribe()
            subscription.unsubscribe()
            life.touched = self.clock.monotonic()
            self.over.append((subscription, seen, seen.last))

    # -- time travel and snapshots -------------------------------------------------------------------------------

    @rule(id=ids)
    def undo(self, id):
        if life := self.life(id):
            target, before = life.shows[-1] - 1, len(life.states) - 1
            if self._travel(life, sessions.ref(id).undo, target, "undo"):
                life.undone.append(before)

    @rule(id=ids)
    def redo(self, id):
        if life := self.life(id):
            undone = life.undone
            if self._travel(life, sessions.ref(id).redo, undone[-1] if undone else -1, "redo"):
                undone.pop()

    @rule(id=ids, version=st.integers(-1, 12))
    def travel_to(self, id, version):
        life = self.life(id)
        target = version if life and version < len(life.states) else -1
        if life and self._travel(life, lambda: sessions.ref(id).travel_to(version), target, "travel"):
            life.undone = []

    def _travel(self, life, verb, target, origin):
        if target < 0:
            with pytest.raises(VersionNotFound):
                verb()
            return False
        life.travel(target, origin)
        assert verb() == len(life.states) - 1
        return True

    @rule(id=ids)
    def history(self, id):
        if life := self.life(id):
            entries = sessions.ref(id).history()
            assert [(e.action and e.action.type, e.version, e.origin) for e in entries] == life.entries

    @rule(target=snapshots, id=ids)
    def snapshot(self, id):
        if life := self.life(id):
            return sessions.ref(id).snapshot(), life.states[-1]
        return sessions.start_session("elsewhere", Plain, ttl=None).snapshot(), self._gone("elsewhere")

    def _gone(self, id):
        sessions.terminate(id)
        return {"count": 0}

    # -- effects -------------------------------------------------------------------------------------------------

    @rule(id=ids, number=numbers, type=st.sampled_from(["count.load", "count.report"]), twin=st.booleans())
    def effect(self, id, number, type, twin):
        if (life := self.life(id)) is None:
            return
        if twin:
            result = self.loop.run_until_complete(self._awaited(sessions.ref(id), type, number))
        else:
            result = sessions.ref(id).dispatch_async(type, number).result(10)
        assert result == number
        life.add(number, origin="effect")

    async def _awaited(self, ref, type, number):
        return await asyncio.wait_for(await ref.adispatch_async(type, number), 10)

    @precondition(lambda self: all(len(life.hanging) < 5 for life in self.lives.values()))
    @rule(id=ids, named=st.booleans())
    def hang(self, id, named):
        if life := self.life(id):
            handle = sessions.ref(id).dispatch_async("count.hang", meta=CANCEL_REF if named else None)
            if named:
                life.cancel_named()
            life.hanging[handle] = named

    @rule(id=ids)
    def cancel(self, id):
        life = self.lives.get(id)
        if life and life.hanging:
            handle, _ = life.hanging.popitem()
            assert [handle.cancel(), handle.cancel(), handle.cancelled()] == [True, False, True]
            until(lambda: sessions.ref(id)._session().effects_under_way == len(life.hanging))

    # -- what always holds ---------------------------------------------------------------------------------------

    @invariant()
    def every_session_is_what_the_model_says(self):
        assert {ref.id for ref in sessions.list_sessions()} == set(self.lives)
        for id, life in self.lives.items():
            ref = sessions.ref(id)
            assert (ref.state, ref.version) == (life.states[-1], len(life.states) - 1)
            assert ref.facts.subscribers == len(life.subscriptions)
            assert not any(handle.done() for handle in life.hanging)

    @invariant()
    def versions_never_go_back_within_an_epoch(self):
        for id, life in self.lives.items():
            point = sessions.ref(id).epoch, sessions.ref(id).version
            assert point >= life.point
            life.point = point

    @invariant()
    def every_subscriber_has_exactly_the_last_value(self):
        for life in self.lives.values():
            for _, seen, expected in life.subscriptions:
                assert seen.last == ("value", expected(life.states[-1]))
        assert all(seen.last == last and not subscription.active for subscription, seen, last in self.over)

    @invariant()
    def the_history_replayed_is_the_state(self):
        for id, life in self.lives.items():
            state, session = life.first, sessions.ref(id)._session()
            for entry in session.history.entries(session.version) if session.history else ():
                if entry.action is None:
                    state = life.states[entry.version]
                else:
                    state = {**state, "count": state["count"] + entry.action.payload}
                assert state == session.history.state_at(entry.version, session.version, session.slices)
            assert state == session.state

    @invariant()
    def nothing_is_kept_beyond_the_model(self):
        supervisor = sessions.supervisor
        assert len(supervisor.registry.all()) == len(supervisor.expiry) == len(self.lives)
        kept = [
            session.subscriptions.subscribers
            for session in supervisor.registry.all()
            if session.subscriptions is not None
        ]
        assert sum(map(len, kept)) == sum(len(life.subscriptions) for life in self.lives.values())
        waiting = sum(life.typed is not None for life in self.lives.values())
        assert len(supervisor.timers) == waiting + len(supervisor.expiry._times)


doubled = create_selector("count", lambda count: (count, 2 * count))
SELECTORS = {
    "whole": (None, lambda state: state),
    "path": ("count", lambda state: state["count"]),
    "created": (doubled, lambda state: (state["count"], 2 * state["count"])),
}

TestMachine = Machine.TestCase
thorough = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
TestMachine.settings = settings(
    max_examples=2000 if thorough else 300,
    stateful_step_count=100 if thorough else 40,
    derandomize=not thorough,
    suppress_health_check=list(HealthCheck),
)
