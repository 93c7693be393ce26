"""The backend on the site's database, whichever that is: what is in the tables, and what watches tell of it."""

import io
import os

import pytest
from backends.database_places import watching
from django.core.management import call_command
from django.db import connections, transaction

from phoenix_sessions import SessionNotFound
from phoenix_sessions.backends.base import Point
from phoenix_sessions.backends.conformance import RECORD, entries, step
from phoenix_sessions.core.errors import BackendError, BackendUnavailable


@pytest.fixture(params=["sqlite", "postgresql"])
def alias(request):
    """The alias of a database of the tests' own."""
    return request.getfixturevalue(request.param)


# -- the site's own transactions -----------------------------------------------------------------------------------


def test_a_commit_outlives_the_transaction_of_its_caller(alias, backend):
    backend.create("visitor", RECORD, None)
    with transaction.atomic(using=alias):
        connections[alias].cursor().execute("SELECT count(*) FROM phoenix_sessions_session")
        backend.commit("visitor", step(1))
        transaction.set_rollback(True, using=alias)
    assert backend.load("visitor").at == Point(7, 1)


def test_the_backends_connections_are_none_of_djangos(alias, backend):
    backend.create("visitor", RECORD, None)
    assert [each.alias for each in connections.all() if "phoenix" in each.alias] == []


# -- what is in the tables -----------------------------------------------------------------------------------------


def test_the_windows_hold_as_many_names_as_they_say(alias, backend):
    backend.create("visitor", RECORD, None)
    for version in range(1, 40):
        backend.commit("visitor", step(version, actions=tuple(os.urandom(8) for _ in range(10))))
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT length(commits), length(actions) FROM phoenix_sessions_session")
        assert cursor.fetchone() == (16 * 8, 256 * 8)


def test_an_action_that_a_commit_names_twice_takes_one_place(backend):
    backend.create("visitor", RECORD, None)
    names = tuple(b"%08d" % number for number in range(200))
    backend.commit("visitor", step(1, actions=names * 2))
    assert backend.actions("visitor") == list(names)
    assert backend.commit("visitor", step(2, actions=names[:1] * 2)) == names[:1]


def test_nothing_stays_of_a_session_that_was_deleted(alias, backend):
    backend.create("visitor", RECORD, None)
    backend.commit("visitor", step(1, log=(b"entry",)))
    backend.delete("visitor", None, b"")
    backend.create("visitor", RECORD, None)
    assert backend.log("visitor") == []


def test_who_takes_the_place_of_an_expired_session_has_a_log_of_its_own(clock, backend):
    backend.create("visitor", RECORD, 60)
    backend.commit("visitor", entries(b"old", ttl=60))
    clock.advance(60)
    backend.create("visitor", RECORD, None)
    backend.commit("visitor", entries(b"new"))
    assert backend.log("visitor") == [b"new"]


def test_an_expired_session_is_refused_by_all_verbs(clock, backend):
    backend.create("visitor", RECORD, 60)
    clock.advance(60)
    for verb, *args in (
        (backend.load,), (backend.load, None, 3), (backend.touch, None), (backend.delete, None, b""),
        (backend.commit, step(1)),
    ):  # fmt: skip
        with pytest.raises(SessionNotFound):
            verb("visitor", *args)


def test_a_sweep_removes_what_is_over_with_its_log_and_leaves_the_rest(alias, clock, backend):
    for number in range(5):
        backend.create(f"short-{number}", RECORD, 60)
        backend.commit(f"short-{number}", entries(b"entry", ttl=60))
    backend.create("long", RECORD, 600)
    backend.create("endless", RECORD, None)
    clock.advance(60)
    assert (backend.sweep(3), backend.sweep(3), backend.sweep(3)) == (3, 2, 0)
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT id, (SELECT count(*) FROM phoenix_sessions_log) FROM phoenix_sessions_session ORDER BY id"
        )
        assert cursor.fetchall() == [("endless", 0), ("long", 0)]


def test_fencing_numbers_grow_though_leases_are_swept_away(alias, clock, backend):
    first = backend.claim("lease", "me", 10).fence
    clock.advance(10 + 86_401)
    backend.sweep()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM phoenix_sessions_lease")
        assert cursor.fetchone() == (0,)
    assert backend.claim("lease", "you", 10).fence > first


def test_a_short_lease_that_is_taken_over_at_once_has_a_greater_fencing_number(backend):
    first = backend.claim("lease", "me", 10).fence
    backend.release("lease", "me", first)
    assert backend.claim("lease", "you", 10).fence == first + 1


def test_missing_tables_are_an_error_that_names_the_cure(alias, make, tmp_path, monkeypatch):
    bare = {"sqlite": str(tmp_path / "bare.sqlite3"), "postgresql": "postgres"}[alias]
    monkeypatch.setitem(connections.settings[alias], "NAME", bare)
    with pytest.raises(BackendError, match="was migrate run") as caught:
        make().load("visitor")
    assert not isinstance(caught.value, BackendUnavailable)


def test_the_migrations_are_complete(alias):
    out = io.StringIO()
    call_command("makemigrations", "phoenix_sessions_database", check=True, dry_run=True, stdout=out)
    assert "No changes" in out.getvalue()


# -- watches -------------------------------------------------------------------------------------------------------


async def test_a_watch_tells_who_comes_grows_and_goes(backend):
    async with watching(backend, "visitor") as told:
        assert await told.next() == ("watching", "visitor")
        await backend.acreate("visitor", RECORD, None)
        if not backend.carries_notices:
            assert await told.next() == ("noticed", "visitor", b"")
        await backend.acommit("visitor", entries(b"entry", notice=b"grown"))
        assert await told.next() == ("noticed", "visitor", b"grown" if backend.carries_notices else b"")
        await backend.adelete("visitor", None, b"gone")
        assert await told.next() == ("noticed", "visitor", b"gone" if backend.carries_notices else b"")
