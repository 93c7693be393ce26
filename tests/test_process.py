"""What a process class declares, and who overrides whom."""

from datetime import timedelta

import pytest

from phoenix_sessions import CastFailed, NoReply, Reducer, Restart, SessionProcess, sessions
from phoenix_sessions.process import seconds
from phoenix_sessions.testing import settle


class Cart(Reducer):
    name = "cart"


@pytest.mark.parametrize(("duration", "value"), [(1, 1.0), (1.5, 1.5), (timedelta(minutes=1), 60.0)])
def test_durations_are_seconds(duration, value):
    assert seconds(duration) == value


def test_it_mounts_the_settings_reducers_unless_it_has_its_own():
    class Own(SessionProcess):
        reducers = [Cart]

    class Nothing(SessionProcess):
        reducers = []

    states = [sessions.start_session(cls.__name__, cls).get_state() for cls in (SessionProcess, Own, Nothing)]
    assert states == [{"counter": {"count": 0}}, {"cart": {}}, {}]


def test_combined_reducers_may_compute_them():
    class Computed(SessionProcess):
        @classmethod
        def combined_reducers(cls):
            return {"cart": Cart, "gifts": (Cart, None)}

    assert sessions.start_session("room", Computed).get_state() == {"cart": {}, "gifts": {}}


def test_its_own_keys_are_beside_the_slices():
    class Named(SessionProcess):
        reducers = [Cart]

        def init_state(self, args):
            return {"name": self.session_id}

    assert sessions.start_session("room", Named).get_state() == {"cart": {}, "name": "room"}


@pytest.mark.parametrize("ttl", [20, timedelta(seconds=20)])
def test_its_ttl_overrides_the_setting_and_the_start_overrides_both(clock, ttl):
    process = type("Short", (SessionProcess,), {"ttl": ttl})
    by_class, by_start = sessions.start_session("class", process), sessions.start_session("start", process, ttl=50)
    clock.advance(21)
    assert (by_class.started(), by_start.started()) == (False, True)
    clock.advance(30)
    assert not by_start.started()


def test_a_ttl_of_none_is_forever(clock):
    ref = sessions.start_session("room", type("Eternal", (SessionProcess,), {"ttl": None}))
    clock.advance(10**8)
    assert ref.started()


def test_a_crash_is_restarted_unless_the_class_says_otherwise():
    assert SessionProcess.restart is Restart.TRANSIENT


def test_the_id_that_a_handler_sees_moves_with_the_session():
    class Telling(SessionProcess):
        def handle_cast(self, request, state):
            return super().handle_cast(("put", "id", self.session_id), state)

    sessions.start_session("old", Telling)
    new = sessions.move("old", "new")
    new.cast("who are you")
    assert new.state.id == "new"


def test_a_timer_set_by_init_state_belongs_to_the_life_that_begins(clock):
    class Ticking(SessionProcess):
        def init_state(self, args):
            self.send_after(1, "tick")
            return {"ticks": 0}

        def handle_info(self, message, state):
            return NoReply({**state, "ticks": state["ticks"] + 1})

        def handle_cast(self, request, state):
            raise ValueError(request)

    ref = sessions.start_session("ticking", Ticking)
    clock.advance(1)
    settle()
    assert ref.state["ticks"] == 1

    with pytest.raises(CastFailed):
        ref.cast("crash")
    clock.advance(1)
    settle()
    assert ref.state["ticks"] == 1


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("history_limit", -1, "0 or more"),
        ("history_limit", None, "0 or more"),
        ("max_effects", 0, "1 or more"),
        ("max_effects", "all", "1 or more"),
        ("schema_version", True, "0 or more"),
        ("restart", "permanent", "one of"),
    ],
)
def test_what_makes_no_sense_is_told_when_the_class_is_made(name, value, rule):
    with pytest.raises(TypeError, match=rf"Wrong\.{name} is {value!r}: it must be .*{rule}"):
        type("Wrong", (SessionProcess,), {name: value})


@pytest.mark.parametrize("ttl", [0, -5, float("inf"), float("nan"), "5", True])
def test_a_ttl_that_is_no_duration_starts_nothing(ttl):
    with pytest.raises(ValueError, match="or None for never"):
        sessions.start_session("room", ttl=ttl)
    with pytest.raises(ValueError, match="or None for never"):
        type("Wrong", (SessionProcess,), {"ttl": ttl})
    assert not sessions.started("room")


@pytest.mark.parametrize("own", [{1: 2}, [("a", 1)], None])
def test_init_state_returns_a_mapping_by_name(own):
    class Odd(SessionProcess):
        reducers = []

        def init_state(self, args):
            return own

    with pytest.raises(TypeError, match=r"init_state .* must be a mapping with str keys"):
        sessions.start_session("odd", Odd)
    assert not sessions.started("odd")
