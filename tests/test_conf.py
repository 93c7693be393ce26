"""Settings: defaults, values, and what is said about wrong ones."""

import logging
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from phoenix_sessions import Reducer, SessionProcess, on, sessions
from phoenix_sessions.conf import DEFAULTS, get_config


class Known(Reducer):
    name = "known"

    @on("add")
    def add(self, action, state):
        return {**state, "added": True}


class Special(SessionProcess):
    reducers = [Known]


NOTED = []


def note_unmatched(action, reducer, name):
    NOTED.append((action.type, type(reducer), name))


HERE = __name__


@pytest.fixture
def configure(settings):
    def configure(**values):
        settings.PHOENIX_SESSIONS = values

    return configure


def test_the_defaults(settings):
    settings.PHOENIX_SESSIONS = {}
    config = get_config()
    assert (config.process, config.reducers, config.ttl, config.max_sessions) == (SessionProcess, [], 3600.0, 10_000)
    assert (config.rate, config.call_timeout, config.keep_alive, config.auto_start) == ((100, 60.0), 5.0, True, True)


@pytest.mark.parametrize(
    ("values", "attribute", "expected"),
    [
        ({"SESSION_TTL": timedelta(minutes=2)}, "ttl", 120.0),
        ({"SESSION_TTL": 0.5}, "ttl", 0.5),
        ({"SESSION_TTL": None}, "ttl", None),
        ({"RATE_LIMIT": "7/s"}, "rate", (7, 1.0)),
        ({"RATE_LIMIT": None}, "rate", None),
        ({"MAX_SESSIONS": 1}, "max_sessions", 1),
        ({"CALL_TIMEOUT": 1}, "call_timeout", 1.0),
        ({"AUTO_START": False}, "auto_start", False),
    ],
)
def test_values_are_converted(configure, values, attribute, expected):
    configure(**values)
    assert getattr(get_config(), attribute) == expected


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("SESION_TTL", "SESSION_TTL"),
        ("session_ttl", "SESSION_TTL"),
        ("MAX_SESSION", "MAX_SESSIONS"),
        ("REDUCER", "REDUCERS"),
        ("RATELIMIT", "RATE_LIMIT"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest(configure, key, near):
    configure(**{key: 1})
    with pytest.raises(ImproperlyConfigured, match=f"unknown key '{key}': did you mean '{near}'"):
        get_config()


@pytest.mark.parametrize("key", ["zzz", 5, None])
def test_an_unknown_key_like_none_other_is_answered_with_all(settings, key):
    settings.PHOENIX_SESSIONS = {key: 1}
    with pytest.raises(ImproperlyConfigured) as caught:
        get_config()
    assert all(each in str(caught.value) for each in DEFAULTS)


WRONG = [
    ("SESSION_TTL", 0), ("SESSION_TTL", -1), ("SESSION_TTL", "1h"), ("SESSION_TTL", True),
    ("SESSION_TTL", float("nan")), ("SESSION_TTL", float("inf")), ("CALL_TIMEOUT", float("inf")),
    ("MAX_SESSIONS", 0), ("MAX_SESSIONS", 1.5), ("MAX_SESSIONS", None), ("MAX_SESSIONS", "10"), ("MAX_SESSIONS", True),
    ("RATE_LIMIT", "100"), ("RATE_LIMIT", 100), ("RATE_LIMIT", ""), ("RATE_LIMIT", "0/m"),
    ("CALL_TIMEOUT", 0), ("CALL_TIMEOUT", None), ("CALL_TIMEOUT", "5"),
    ("KEEP_ALIVE_WHILE_SUBSCRIBED", 1), ("KEEP_ALIVE_WHILE_SUBSCRIBED", None), ("AUTO_START", "yes"),
    ("SESSION_PROCESS", None), ("SESSION_PROCESS", "no.such.Process"), ("SESSION_PROCESS", "phoenix_sessions.Reducer"),
    ("SESSION_PROCESS", "SessionProcess"), ("SESSION_PROCESS", 5),
    ("REDUCERS", None), ("REDUCERS", "testsite.reducers.CounterReducer"), ("REDUCERS", ["no.such.Reducer"]),
    ("REDUCERS", ["phoenix_sessions.SessionProcess"]), ("REDUCERS", [("a", "b", "c", "d")]), ("REDUCERS", [5]),
    ("REDUCERS", [("name",)]), ("REDUCERS", [("name", 5)]),
    ("UNMATCHED_ACTION_HANDLER", "shout"), ("UNMATCHED_ACTION_HANDLER", 5), ("UNMATCHED_ACTION_HANDLER", None),
    ("UNMATCHED_ACTION_HANDLER", "phoenix_sessions.__version__"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_wrong_value_is_named_with_its_key(configure, key, value):
    configure(**{key: value})
    with pytest.raises(ImproperlyConfigured, match=key):
        get_config()


@pytest.mark.parametrize("given", [None, [], "SESSION_TTL", 5])
def test_the_setting_must_be_a_dict(settings, given):
    settings.PHOENIX_SESSIONS = given
    with pytest.raises(ImproperlyConfigured, match="must be a dict"):
        get_config()


def test_wrong_settings_stop_the_first_start_and_correct_ones_mend_it(configure):
    configure(SESSION_TLL=1)
    with pytest.raises(ImproperlyConfigured):
        sessions.start_session("room")
    configure(SESSION_TTL=1)
    assert sessions.start_session("room").started()


def test_a_changed_setting_counts_from_now_on(configure, clock):
    configure(SESSION_TTL=10)
    first = sessions.start_session("first")
    configure(SESSION_TTL=100)
    second = sessions.start_session("second")
    clock.advance(11)
    assert (first.started(), second.started()) == (False, True)


def test_the_reducers_are_what_the_default_process_mounts(configure):
    path = f"{HERE}.Known"
    configure(REDUCERS=[path, ("named", path), ("all", path, None), ["listed", path, "l"]])
    ref = sessions.start_session("room")
    ref.dispatch("l.add")
    assert ref.get_state() == {"known": {}, "named": {}, "all": {}, "listed": {"added": True}}


def test_the_default_process(configure):
    configure(SESSION_PROCESS=f"{HERE}.Special")
    sessions.start_session("room")
    assert sessions.list_sessions_by_process(Special) == [sessions.ref("room")]


# -- actions that nothing matched --------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["known.dance", "nobody.knows"])
@pytest.mark.parametrize(("mode", "level"), [("log", logging.DEBUG), ("warn", logging.WARNING), ("silent", None)])
def test_unmatched_actions_are_logged_as_the_setting_says(configure, caplog, mode, level, type_):
    configure(UNMATCHED_ACTION_HANDLER=mode)
    caplog.set_level(logging.DEBUG, "phoenix_sessions")
    assert sessions.start_session("room", Special).dispatch(type_) == 0
    records = [record for record in caplog.records if record.name == "phoenix_sessions"]
    assert [record.levelno for record in records] == ([] if level is None else [level])
    assert all(repr(type_.removeprefix("known.")) in record.getMessage() for record in records)


def test_unmatched_actions_can_go_to_a_function(configure):
    NOTED.clear()
    configure(UNMATCHED_ACTION_HANDLER=f"{HERE}.note_unmatched")
    ref = sessions.start_session("room", Special)
    ref.dispatch("known.dance")
    ref.dispatch("nobody.knows")
    ref.dispatch("known.add")
    assert [("dance", Known, "known"), ("nobody.knows", type(None), None)] == NOTED


def test_a_function_for_unmatched_actions_that_raises_does_not_lose_the_change(configure):
    def failing(action, reducer, name):
        raise LookupError("as asked")

    class Other(Known):
        name = "other"
        action_prefix = ""

        @on("known.dance")
        def dance(self, action, state):
            return {**state, "danced": True}

    class Both(SessionProcess):
        reducers = [Known, Other]

    configure(UNMATCHED_ACTION_HANDLER=failing)
    ref = sessions.start_session("room", Both)
    ref.dispatch("known.dance")
    assert ref.get_state("other.danced") is True
    assert ref.version == 1
