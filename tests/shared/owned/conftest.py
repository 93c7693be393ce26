"""Two workers whose sessions are written behind, and who do by themselves nothing for an hour."""

import pytest
from shared.lab import LabBackend

from phoenix_sessions.runtime.clock import SystemClock


@pytest.fixture
def patient(configure):
    """Flushes by themselves come too late for any test; so does giving up."""
    configure(DURABILITY="write_behind", FLUSH_INTERVAL=3600, OWNER_LEASE=3600, PASSIVATE_AFTER=86_400)


@pytest.fixture
def impatient(patient, configure):
    """Who finds the engine away says so at once."""
    configure(
        DURABILITY="write_behind", FLUSH_INTERVAL=3600, OWNER_LEASE=3600, PASSIVATE_AFTER=86_400, BACKEND_PATIENCE=0.05
    )


@pytest.fixture
def backend():
    return LabBackend({})


@pytest.fixture
def here(patient, backend, start_worker):
    return start_worker(backend, SystemClock())


@pytest.fixture
def there(patient, backend, start_worker):
    return start_worker(backend, SystemClock())
