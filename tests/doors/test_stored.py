"""``session_stats`` and ``list_sessions`` on a shared backend: what the engine says, without a server too."""

import json

import pytest
from django.core.management import CommandError, call_command
from samples import Room

from phoenix_sessions import BackendUnavailable, SessionProcess, inspection, sessions
from phoenix_sessions.backends.memory import MemoryBackend

ROOM, DEFAULT = "samples.Room", "phoenix_sessions.process.SessionProcess"


class Engine(MemoryBackend):
    """Passes for one that other OS processes see."""

    shared = True


@pytest.fixture(autouse=True)
def own_directory(runtime, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))


@pytest.fixture
def engine(settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "BACKEND": Engine}
    return sessions.backend


@pytest.fixture
def three(engine):
    """Two rooms and another session."""
    sessions.start_session("a", Room)
    sessions.start_session("b", Room)
    sessions.start_session("c", SessionProcess)


def run(capsys, name, **options):
    call_command(name, **options)
    return capsys.readouterr()


def asked(capsys, name="session_stats", **options):
    return json.loads(run(capsys, name, json=True, **options).out)


@pytest.fixture
def nobody(monkeypatch):
    """No server answers."""
    monkeypatch.setattr("phoenix_sessions.management.commands.session_stats.ask_all", list)


def test_the_engine_is_asked_where_no_server_answers(three, nobody, capsys):
    total = asked(capsys)

    assert (total["stored"], total["processes"]) == (3, [])
    known = {name for name, value in total.items() if value is not None}
    assert known == {"stored", "processes"}


def test_an_engine_without_sessions_has_none(engine, nobody, capsys):
    assert asked(capsys)["stored"] == 0


def test_the_process_classes_are_counted(three, nobody, capsys):
    total = asked(capsys, by_process=True)

    assert total["stored_by_process"] == {ROOM: 2, DEFAULT: 1}
    assert total["stored"] == 3


def test_people_get_a_table(three, nobody, capsys):
    lines = [line.rstrip() for line in run(capsys, "session_stats", by_process=True).out.splitlines()]

    width = len(DEFAULT) + 2
    assert lines == [
        f"{'server processes':<{width}}  none answers",
        f"{'in the engine':<{width}}  3 sessions",
        f"  {DEFAULT}  1",
        f"{'  ' + ROOM:<{width}}  2",
    ]


def test_servers_and_the_engine_stand_side_by_side(three, monkeypatch, capsys):
    names = (
        "sessions",
        "subscribers",
        "dispatches",
        "dispatch_rate",
        "mailbox_depth",
        "memory",
        "max_sessions",
        "uptime",
    )
    answer = {"pid": 1, **dict.fromkeys(names, 2), "by_process": {ROOM: 2}}
    monkeypatch.setattr("phoenix_sessions.management.commands.session_stats.ask_all", lambda: [answer])

    total = asked(capsys)

    assert (total["sessions"], total["stored"]) == (2, 3)
    assert "in the engine     3 sessions" in run(capsys, "session_stats").out


def fail(*args):
    raise BackendUnavailable("as asked")


def test_an_engine_that_cannot_be_asked_is_an_error(engine, nobody, monkeypatch, capsys):
    monkeypatch.setattr(Engine, "count", fail)

    with pytest.raises(CommandError, match="as asked"):
        asked(capsys)
    assert capsys.readouterr().out == ""


async def test_beside_the_figures_of_servers_it_is_no_figure(engine, monkeypatch, capsys):
    monkeypatch.setattr(Engine, "count", fail)
    answer = await inspection.figures()
    monkeypatch.setattr("phoenix_sessions.management.commands.session_stats.ask_all", lambda: [answer])

    told = run(capsys, "session_stats", json=True)

    assert json.loads(told.out)["stored"] is None
    assert "as asked" in told.err


def test_wrong_options_are_an_error(settings, nobody):
    settings.PHOENIX_SESSIONS = {"BACKEND": "phoenix_sessions.backends.redis.RedisBackend", "OPTIONS": {"x": 1}}

    with pytest.raises(CommandError, match="no option of the Redis backend"):
        call_command("session_stats")


def test_pages_lead_to_each_other(three, capsys):
    cursor, ids = None, []
    for _ in range(3):
        told = asked(capsys, "list_sessions", count=1, cursor=cursor)
        ids += [each["id"] for each in told["sessions"]]
        cursor = told["cursor"]
        if cursor is None:
            break

    assert sorted(ids) == ["a", "b", "c"]


def test_a_line_has_the_id_the_class_and_the_start(three, capsys):
    told = run(capsys, "list_sessions")

    assert sorted(told.out.splitlines())[0] == f"a  {ROOM}  2023-11-14T22:30:00+00:00"
    assert told.err == ""


def test_how_to_go_on_is_said(three, capsys):
    assert "--cursor" in run(capsys, "list_sessions", count=1).err


def test_a_session_that_nobody_can_read_is_listed(three, engine, capsys):
    engine.create("d", type(engine.load("a"))(engine.load("a").at, b"?", b""), None)

    assert "d  (unreadable)  -" in run(capsys, "list_sessions").out


def test_sessions_in_memory_are_not_listed_from_here(capsys):
    with pytest.raises(CommandError, match="no shared backend"):
        call_command("list_sessions")


@pytest.mark.parametrize("verb", ["scan", "count"])
def test_an_engine_that_fails_is_an_error_of_the_list(engine, monkeypatch, verb):
    monkeypatch.setattr(Engine, "scan", fail)

    with pytest.raises(CommandError, match="as asked"):
        call_command("list_sessions") if verb == "scan" else call_command("session_stats", by_process=True)


@pytest.mark.parametrize("count", ["0", "x"])
def test_a_page_has_some_sessions(count):
    with pytest.raises(CommandError, match="--count"):
        call_command("list_sessions", "--count", count)
