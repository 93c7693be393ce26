"""What every backend passes: the contract of ``base``, as tests that anybody can run on a backend of their own.

Rules:
    1. A subclass gives the fixtures ``backend``, ``unclocked`` and, where they exist, ``other``, ``dead``, ``lossy``;
       all else is here::

        class TestMine(BackendConformance):
            @pytest.fixture
            def backend(self, clock):
                return MyBackend({"prefix": "..."}, clock=clock)

    2. What differs between backends is read from their capability flags, never from which methods they have.
    3. Every test that takes ``here`` runs twice: with the verbs, and with their async twins on one event loop.
    4. Idle time and leases go by a clock that the test moves; two tests wait for a real 50 ms to be over.
    5. Notices are waited for, ``PATIENCE`` seconds at most, as a watch may ask instead of being told.

It needs pytest, and no plugin of pytest's but the one that phoenix_sessions installs: for the clock, and so that a test
that fails shows what it compared.
"""

from .actions import Actions
from .clocks import Clocks
from .closing import Closing
from .commits import Commits
from .examples import ID, RECORD, START, entries, step
from .expiry import Expiry
from .failures import Failures
from .fences import Fences
from .leases import Leases
from .listeners import Listener
from .logs import Logs
from .loops import LoopThread
from .names import Names
from .notices import Notices
from .once import Once
from .races import Races
from .scans import Scans
from .sessions import Sessions
from .streams import Streams
from .sweeps import Sweeps
from .verbs import Verbs, outcome
from .walk import Walks, random_walk
from .watches import Watches

__all__ = [
    "ID",
    "RECORD",
    "START",
    "BackendConformance",
    "Listener",
    "LoopThread",
    "Verbs",
    "entries",
    "outcome",
    "random_walk",
    "step",
]


class BackendConformance(
    Sessions,
    Commits,
    Names,
    Logs,
    Once,
    Actions,
    Fences,
    Expiry,
    Sweeps,
    Scans,
    Leases,
    Clocks,
    Watches,
    Notices,
    Streams,
    Races,
    Closing,
    Walks,
    Failures,
):
    """Every sentence of the contract, as a test; see the module for what a subclass gives."""
