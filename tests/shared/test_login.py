"""A login while the engine fails: nothing is lost, and nobody is let in who knows the id of before."""

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import RequestFactory
from shared.lab import Room, fine, lost, refused

from phoenix_sessions import BackendUnavailable, sessions
from phoenix_sessions.identity import KEY, LEFT, aget_id, end_on_flush, get_id, rotate_id


@pytest.fixture
def visitor(backend, clock):
    """A request of a visitor with a session, in which something is kept."""
    before = sessions.replace(None, clock, backend)
    request = RequestFactory().get("/")
    request.session = SessionStore()
    sessions.start_session(get_id(request.session), Room).dispatch("tally.add", "kept")
    yield request
    sessions.supervisor.stop()
    sessions.replace(*before)


@pytest.fixture
def failed(visitor, backend):
    """The visitor's Django session, after a login during which the engine was away."""
    backend.before("create", *[refused] * 1000)
    rotate_id(visitor)
    return visitor.session


def test_who_logs_in_while_the_engine_fails_has_another_id_and_the_session_comes_after(failed, backend):
    old = failed[LEFT]
    assert failed[KEY] != old
    backend.calm()
    id = get_id(failed)
    assert sessions.ref(id).get_state("tally") == ("kept",)
    assert not sessions.started(old)
    assert LEFT not in failed


async def test_it_comes_to_who_awaits_it_too(failed, backend):
    assert get_id(failed) == failed[KEY]
    backend.calm()
    id = await aget_id(failed)
    assert await sessions.ref(id).aget_state("tally") == ("kept",)
    assert LEFT not in failed


def test_for_as_long_as_the_engine_is_away_nothing_begins_under_the_new_id(failed, backend):
    with pytest.raises(BackendUnavailable):
        get_id(failed)
    backend.calm()
    assert sessions.ref(get_id(failed)).get_state("tally") == ("kept",)


def test_a_login_of_which_nobody_knows_whether_the_session_has_moved_loses_nothing(visitor, backend):
    backend.before("delete", fine, *[refused] * 1000)
    backend.after("delete", lost)
    rotate_id(visitor)
    backend.calm()
    assert sessions.ref(get_id(visitor.session)).get_state("tally") == ("kept",)


def test_who_logs_in_twice_meanwhile_loses_nothing(visitor, failed, backend):
    rotate_id(visitor)
    backend.calm()
    first = failed[KEY]
    rotate_id(visitor)
    assert failed[KEY] != first
    assert sessions.ref(get_id(failed)).get_state("tally") == ("kept",)
    assert sessions.list_sessions()[0].id == failed[KEY]


def test_a_logout_ends_also_what_has_not_moved(failed, backend):
    old = failed[LEFT]
    backend.calm()
    end_on_flush(failed)
    failed.flush()
    assert not sessions.started(old)
