"""``manage.py sweep_sessions``: what is over its time is removed, or the command says that nothing need be."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from phoenix_sessions import sessions
from phoenix_sessions.backends.base import Backend, Point, Record
from phoenix_sessions.backends.database import DatabaseBackend

RECORD = Record(at=Point(7, 0), birth=b"birth", state=b"state")


def sweep(**options):
    out = io.StringIO()
    call_command("sweep_sessions", stdout=out, skip_checks=True, **options)
    return out.getvalue()


@pytest.fixture
def backend(settings, file_database):
    """The configured backend, in a file."""
    call_command("migrate", "phoenix_sessions_database", database=file_database, verbosity=0)
    settings.PHOENIX_SESSIONS = {
        "BACKEND": "phoenix_sessions.backends.database.DatabaseBackend",
        "OPTIONS": {"alias": file_database},
    }
    yield sessions.backend
    sessions.backend.close()
    connections[file_database].close()
    del connections[file_database]


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_what_is_over_its_time_is_removed(backend, clock, batch):
    for number in range(4):
        backend.create(f"visitor-{number}", RECORD, 60)
    backend.create("endless", RECORD, None)
    clock.advance(60)
    assert sweep(batch=batch) == "Removed 4 expired sessions.\n"
    assert sweep(batch=batch) == "Removed 0 expired sessions.\n"
    assert backend.load("endless") == RECORD


def test_a_database_that_cannot_be_asked_is_an_error(backend, monkeypatch, tmp_path):
    backend.close()
    monkeypatch.setitem(connections.settings["file"], "NAME", str(tmp_path / "nowhere" / "db.sqlite3"))
    with pytest.raises(CommandError, match=r"0 expired sessions were removed, and then: .*cannot be asked"):
        sweep()


def test_sessions_in_memory_need_no_sweep():
    assert sweep() == "Nothing to sweep: with MemoryBackend, sessions are in the server's memory, and end there.\n"


class SelfSweepingBackend(DatabaseBackend):
    """A backend whose engine forgets by itself."""

    sweep = Backend.sweep


def test_an_engine_that_forgets_by_itself_needs_no_sweep(settings, file_database):
    settings.PHOENIX_SESSIONS = {"BACKEND": SelfSweepingBackend, "OPTIONS": {"alias": file_database}}
    assert sweep() == "Nothing to sweep: the engine of SelfSweepingBackend removes expired sessions by itself.\n"


def test_wrong_settings_are_an_error_without_a_traceback(settings):
    settings.PHOENIX_SESSIONS = {
        "BACKEND": "phoenix_sessions.backends.database.DatabaseBackend",
        "OPTIONS": {"alais": "default"},
    }
    with pytest.raises(CommandError, match="did you mean 'alias'"):
        sweep()


@pytest.mark.parametrize("batch", ["0", "-1", "many"])
def test_a_batch_is_a_positive_number(batch):
    with pytest.raises(CommandError, match="--batch"):
        call_command("sweep_sessions", f"--batch={batch}", skip_checks=True)
