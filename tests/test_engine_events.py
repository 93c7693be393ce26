"""What is told of a shared backend: that another worker was faster, and that the engine cannot be asked."""

import pytest
from samples import Room

from phoenix_sessions import BackendUnavailable, sessions, telemetry
from phoenix_sessions.adapters import logging as log_adapter
from phoenix_sessions.backends.base import Commit, Point
from phoenix_sessions.backends.memory import MemoryBackend


class Engine(MemoryBackend):
    """Passes for one that other OS processes see, and is away at will."""

    shared = True
    away = False

    def commit(self, id, commit):
        if self.away:
            raise BackendUnavailable("as asked")
        return super().commit(id, commit)


@pytest.fixture
def engine(settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "BACKEND": Engine, "BACKEND_PATIENCE": 0.1}
    return sessions.backend


@pytest.fixture
def told():
    """The events of the engine, as (name, measurements, metadata)."""
    seen = []
    events = ["phoenix_sessions.conflict", "phoenix_sessions.unavailable"]
    telemetry.attach_many("watch", events, lambda event, *facts: seen.append((event, *facts[:2])))
    yield seen
    telemetry.detach("watch")


def test_another_worker_was_faster(engine, told):
    ref = sessions.start_session("s", Room)
    record = engine.load("s")
    later = Point(record.at.epoch, 1)
    engine.commit(
        "s", Commit(at=record.at, after=b"", to=later, state=record.state, notice=b"", id=b"01234567", ttl=60)
    )

    assert ref.dispatch("count.add") == 2

    [(event, measurements, metadata)] = told
    assert (event, measurements) == ("phoenix_sessions.conflict", {"count": 1})
    assert metadata == {"session_id": "s", "process": Room, "tries": 1, "version": 0}


def test_an_engine_that_is_away_is_told_at_every_try(engine, told):
    ref = sessions.start_session("s", Room)
    engine.away = True
    with pytest.raises(BackendUnavailable):
        ref.dispatch("count.add")
    engine.away = False

    assert len(told) > 1
    assert {event for event, _, _ in told} == {"phoenix_sessions.unavailable"}
    assert {metadata["session_id"] for _, _, metadata in told} == {"s"}
    assert isinstance(told[0][2]["error"], BackendUnavailable)


def test_it_is_a_warning_in_the_log(engine, caplog):
    log_adapter.attach()
    ref = sessions.start_session("s", Room)
    engine.away = True
    with pytest.raises(BackendUnavailable):
        ref.dispatch("count.add")
    engine.away = False
    log_adapter.detach()

    assert "WARNING" in {record.levelname for record in caplog.records if "unavailable" in record.getMessage()}
