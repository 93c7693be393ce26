"""What Phoenix.SessionProcess does with the life of a session: start, find, measure, expire, end."""

import contextlib
import sys
import threading
from collections import Counter

import pytest
from doors.sockets import close_code, connected, plug
from racing import race
from samples import Count, Room
from testsite.consumers import CounterConsumer

from phoenix_sessions import (
    CallFailed,
    CastFailed,
    InvalidSessionId,
    NoReply,
    RateLimitExceeded,
    Reducer,
    Reply,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionProcess,
    SessionRef,
    Stop,
    effect,
    sessions,
)
from phoenix_sessions.testing import settle


def configure(settings, **values):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, **values}


class Greeting(SessionProcess):
    """Keeps what it was started with."""

    def init_state(self, args):
        return {"args": args}


# -- start -------------------------------------------------------------------------------------------------------------


def test_start_by_id_takes_the_process_of_the_settings(settings):
    configure(settings, SESSION_PROCESS="samples.Room")
    assert sessions.start_session("s").get_state() == {"count": 0}


def test_start_with_a_process():
    assert sessions.start_session("s", Room).get_state() == {"count": 0}


def test_start_with_a_process_and_args():
    assert sessions.start_session("s", Greeting, {"user": 456}).get_state("args.user") == 456


def test_start_with_args_alone_gives_them_to_the_process_of_the_settings(settings):
    configure(settings, SESSION_PROCESS=Greeting)
    assert sessions.start_session("s", args={"debug": True}).get_state("args") == {"debug": True}


def test_an_id_is_1_to_64_letters_digits_dashes_and_underscores():
    assert sessions.start_session("a-Z_9" + "x" * 59).started()
    for wrong in ("", "x" * 65, "invalid@session", "newline\n"):
        with pytest.raises(InvalidSessionId):
            sessions.start_session(wrong)


def test_starting_twice_raises_an_error_that_carries_the_running_session():
    ref = sessions.start_session("s")
    with pytest.raises(SessionAlreadyStarted) as caught:
        sessions.start_session("s")
    assert caught.value.ref == ref


def test_of_50_racing_starts_one_wins_and_49_are_told():
    outcomes = race(*[lambda: sessions.start_session("s")] * 50)
    assert Counter(map(type, outcomes)) == {SessionRef: 1, SessionAlreadyStarted: 49}


def test_a_start_that_finds_the_id_taken_uses_up_no_rate(settings):
    configure(settings, RATE_LIMIT="2/m")
    sessions.start_session("s")
    for _ in range(5):
        with pytest.raises(SessionAlreadyStarted):
            sessions.start_session("s")
    assert sessions.start_session("other").started()


def test_a_start_that_finds_the_id_taken_says_so_even_at_both_limits(settings):
    configure(settings, MAX_SESSIONS=1, RATE_LIMIT="1/m")
    sessions.start_session("s")
    with pytest.raises(SessionAlreadyStarted):
        sessions.start_session("s")


def test_a_session_whose_init_is_slow_blocks_nobody_else():
    entered, release = threading.Event(), threading.Event()

    class Slow(SessionProcess):
        def init_state(self, args):
            entered.set()
            assert release.wait(10)
            return {}

    def others():
        assert entered.wait(10)
        try:
            return [sessions.start_session(f"s{number}", Room).dispatch("count.add") for number in range(10)]
        finally:
            release.set()

    slow, versions = race(lambda: sessions.start_session("slow", Slow), others)
    assert slow.started()
    assert versions == [1] * 10


# -- options -----------------------------------------------------------------------------------------------------------


def test_the_process_class_overrides_the_settings_and_the_start_overrides_both(settings, clock):
    configure(settings, SESSION_TTL=30)
    minute = type("Minute", (SessionProcess,), {"ttl": 60})
    by_settings, by_class = sessions.start_session("settings"), sessions.start_session("class", minute)
    by_start = sessions.start_session("start", minute, ttl=90)

    ends = []
    for _ in range(4):
        clock.advance(29)
        ends.append([by_settings.started(), by_class.started(), by_start.started()])
    assert ends == [[True, True, True], [False, True, True], [False, False, True], [False, False, False]]


# -- find --------------------------------------------------------------------------------------------------------------


def test_whether_a_session_exists():
    ref = sessions.start_session("s")
    assert sessions.started("s")
    assert "s" in sessions
    assert ref.started()
    assert not sessions.started("other")


def test_find_by_id():
    ref = sessions.start_session("s")
    assert sessions.find_session("s") == ref


def test_list_all():
    refs = {sessions.start_session(f"s{number}") for number in range(3)}
    assert set(sessions.list_sessions()) == refs


def test_list_by_process_class():
    room = sessions.start_session("room", Room)
    sessions.start_session("other")
    assert sessions.list_sessions_by_process(Room) == [room]


def test_info_counts_the_sessions_and_their_classes():
    sessions.start_session("a", Room)
    sessions.start_session("b", Room)
    sessions.start_session("c")
    info = sessions.session_info()
    assert info.count == 3
    assert info.by_process == {"samples.Room": 2, "phoenix_sessions.process.SessionProcess": 1}


def test_the_process_class_is_known_after_its_starter_has_ended():
    starter = threading.Thread(target=sessions.start_session, args=("s", Room))
    starter.start()
    starter.join(10)
    assert sessions.list_sessions_by_process(Room) == [sessions.ref("s")]
    assert sessions.ref("s").facts.process == "Room"


# -- measure -----------------------------------------------------------------------------------------------------------


def test_stats_measure_what_the_sessions_hold(clock):
    small = sessions.start_session("small")
    before = sessions.session_stats()
    small.cast(("put", "book", "x" * 1_000_000))
    settle()
    after = sessions.session_stats()
    assert 1_000_000 <= after.memory - before.memory < 1_010_000
    assert after.memory_average == after.memory


def test_stats_count_sessions_dispatches_subscribers_and_uptime(clock):
    ref = sessions.start_session("s", Room)
    with ref.subscribe(receiver=lambda *_: None):
        for _ in range(20):
            ref.dispatch("count.add")
        clock.advance(10)
        stats = sessions.session_stats()
    assert (stats.sessions, stats.subscribers, stats.dispatches, stats.mailbox_depth) == (1, 1, 20, 0)
    assert (stats.uptime, stats.dispatch_rate) == (10, 2)


def test_the_messages_that_wait_are_counted():
    ref, depths = sessions.start_session("s", Room), []

    def receive(event, value):
        if value == 0:
            ref.dispatch_nowait("count.add")
        depths.append(ref.facts.mailbox_depth)

    ref.subscribe("count", receiver=receive)
    assert depths == [1, 0]


# -- end ---------------------------------------------------------------------------------------------------------------


def test_terminate_ends_a_session_and_frees_its_id():
    sessions.start_session("s", Room).dispatch("count.add")
    sessions.terminate("s")
    assert "s" not in sessions
    assert sessions.start_session("s", Room).get_state("count") == 0


def test_terminate_of_an_unknown_id_is_not_found():
    with pytest.raises(SessionNotFound) as caught:
        sessions.terminate("nobody")
    assert caught.value.session_id == "nobody"


USES = {
    "touch": lambda ref: ref.touch(),
    "dispatch": lambda ref: ref.dispatch("count.add"),
    "dispatch_nowait": lambda ref: ref.dispatch_nowait("count.add"),
    "get_state": lambda ref: ref.get_state(),
    "select_state": lambda ref: ref.select_state("count"),
    "call": lambda ref: ref.call("get_state"),
    "cast": lambda ref: ref.cast(("put", "k", "v")),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_every_message_refreshes_the_ttl(use, clock):
    ref = sessions.start_session("s", Room, ttl=60)
    clock.advance(50)
    use(ref)
    clock.advance(59)
    assert ref.started()
    clock.advance(2)
    assert not ref.started()


@pytest.mark.parametrize("after", [0, 0.3, 17.77, 59.9])
def test_expiry_comes_within_1_second_of_due(after, clock):
    ref = sessions.start_session("s", Room, ttl=60)
    clock.advance(after)
    ref.touch()
    clock.advance(59.99)
    assert ref.started()
    clock.advance(1.01)
    assert not ref.started()


# -- limits ------------------------------------------------------------------------------------------------------------


def test_the_limits_are_10000_sessions_and_100_starts_a_minute_by_default(settings):
    settings.PHOENIX_SESSIONS = {}
    assert sessions.session_stats().max_sessions == 10_000
    for number in range(100):
        sessions.start_session(f"s{number}")
    with pytest.raises(RateLimitExceeded):
        sessions.start_session("one-too-many")


def test_max_sessions_is_exact_under_a_race(settings):
    configure(settings, MAX_SESSIONS=10)
    outcomes = race(*(lambda id=f"s{number}": sessions.start_session(id) for number in range(40)))
    assert Counter(map(type, outcomes)) == {SessionRef: 10, SessionLimitReached: 30}


def test_the_rate_limit_is_a_sliding_window_and_tells_when_to_come_again(settings, clock):
    configure(settings, RATE_LIMIT="2/m")
    sessions.start_session("a")
    clock.advance(40)
    sessions.start_session("b")
    with pytest.raises(RateLimitExceeded) as caught:
        sessions.start_session("c")
    assert caught.value.retry_after == 20
    clock.advance(caught.value.retry_after)
    assert sessions.start_session("c").started()


def test_a_start_does_as_much_with_1000_sessions_as_with_10(settings):
    configure(settings, RATE_LIMIT="100000/m")

    def calls_of_a_start(id):
        calls = 0

        def count(frame, event, argument):
            nonlocal calls
            calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            sessions.start_session(id)
        finally:
            sys.setprofile(None)
        return calls

    for number in range(10):
        sessions.start_session(f"a{number}")
    few = min(calls_of_a_start(f"few{number}") for number in range(3))  # garbage may be collected in one of them
    for number in range(1000):
        sessions.start_session(f"b{number}")
    assert min(calls_of_a_start(f"many{number}") for number in range(3)) == few


# -- the default process -----------------------------------------------------------------------------------------------


def test_the_default_process_mounts_the_reducers_of_the_settings(settings):
    configure(settings, REDUCERS=["samples.Count"])
    ref = sessions.start_session("s")
    assert ref.dispatch("count.add") == 1
    assert ref.get_state() == {"count": 1}


def test_the_default_process_keeps_values_under_keys():
    ref = sessions.start_session("s")
    ref.cast(("put", "user_id", 123))
    assert ref.call(("get", "user_id")) == 123
    assert ref.call("get_state")["user_id"] == 123
    ref.cast(("delete", "user_id"))
    assert ref.call(("get", "user_id")) is None
    assert "user_id" not in ref.call("get_state")


def test_the_default_process_answers_what_it_does_not_know_with_an_error():
    ref = sessions.start_session("s")
    with pytest.raises(CallFailed):
        ref.call("unknown")
    assert ref.started()


# -- callbacks ---------------------------------------------------------------------------------------------------------


class Noting(SessionProcess):
    """Notes which callback ran, and under which session id."""

    reducers = [Count]

    def init_state(self, args):
        self.notes = args
        self.note("init_state")
        return {}

    def note(self, callback):
        self.notes.append((callback, self.session_id))

    def handle_call(self, request, state):
        self.note("handle_call")
        match request:
            case "double":
                return Reply(state["count"] * 2)
            case "bye":
                return Stop("normal", value="ended")
        return super().handle_call(request, state)

    def handle_cast(self, request, state):
        self.note("handle_cast")
        if request == "remind":
            self.send_after(5, "reminder")
            return NoReply()
        return super().handle_cast(request, state)

    def handle_info(self, message, state):
        self.note("handle_info")
        return NoReply({**state, "reminded": message})

    def on_terminate(self, reason, state):
        self.note("on_terminate")


def test_every_callback_runs_and_knows_its_session_id(clock):
    notes = []
    ref = sessions.start_session("s", Noting, notes)
    ref.dispatch("count.add")
    assert ref.call("double") == 2
    ref.cast("remind")
    clock.advance(5)
    settle()
    assert ref.get_state("reminded") == "reminder"
    assert ref.call("bye") == "ended"
    callbacks = ["init_state", "handle_call", "handle_cast", "handle_info", "handle_call", "on_terminate"]
    assert notes == [(callback, "s") for callback in callbacks]


def test_an_unknown_message_is_an_error_of_its_sender_and_ends_nothing():
    ref = sessions.start_session("s", Noting, [])
    epoch = ref.epoch
    with pytest.raises(CallFailed):
        ref.call("unknown")
    with contextlib.suppress(CastFailed):
        ref.cast("unknown")
    settle()
    assert ref.epoch == epoch


@pytest.mark.parametrize("process", [SessionProcess, Noting], ids=["default", "own"])
def test_an_unknown_cast_is_an_error_of_its_sender(process):
    ref = sessions.start_session("s", process, [])
    with pytest.raises(CastFailed):
        ref.cast("unknown")
    assert ref.started()


# -- doors -------------------------------------------------------------------------------------------------------------


def test_with_auto_start_the_first_use_of_a_request_starts_the_session(client, db):
    assert client.get("/add").json()["version"] == 1
    assert len(sessions.list_sessions()) == 1


def test_without_auto_start_a_request_starts_nothing(client, db, settings):
    configure(settings, AUTO_START=False)
    with pytest.raises(SessionNotFound):
        client.get("/add")
    assert sessions.list_sessions() == []


async def test_a_live_page_finds_its_session_started():
    ref = await sessions.astart_session("v" * 32)
    await ref.adispatch("counter.add", 5)
    async with connected(CounterConsumer) as page:
        assert (await page.receive_json_from(5))["changes"] == {"count_changed": 5}


async def test_a_live_page_without_its_session_is_closed_with_4404(settings):
    configure(settings, AUTO_START=False)
    page = plug(CounterConsumer)
    await page.connect()
    assert await close_code(page) == 4404


def test_an_answer_that_changes_nothing_may_start_effects():
    done = []

    class Mailer(Reducer):
        name = action_prefix = "mail"

        def init_state(self):
            return 0

        @effect("send")
        def send(self, action, dispatch, state):
            done.append(action.payload)

    class Office(SessionProcess):
        reducers = [Mailer]

        def handle_call(self, request, state):
            return Reply("sent", effects=[("mail.send", request)])

        def handle_cast(self, request, state):
            return NoReply(effects=[("mail.send", request)])

    ref = sessions.start_session("s", Office)
    assert ref.call("a letter") == "sent"
    ref.cast("a card")
    settle()
    assert sorted(done) == ["a card", "a letter"]
