"""What the tests stand on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from ...core.errors import Conflict, SessionNotFound
from ..base import Backend
from .examples import ID, RECORD
from .listeners import Listener
from .loops import DEADLOCK, LoopThread
from .verbs import Verbs

Losing = Callable[[], AbstractContextManager[Any]]
Lossy = tuple[Backend, Losing]


class Fixtures:
    """What the tests stand on; a subclass gives ``backend``, and may give all others."""

    @pytest.fixture
    def clock(self, session_clock: Any) -> Any:
        """Return a clock that stands still until ``advance(seconds)``: the one to build backends with."""
        return session_clock

    @pytest.fixture
    def backend(self, clock: Any) -> Backend:
        """Return a backend, built with the clock, whose engine holds nothing yet; close() it afterwards."""
        raise NotImplementedError("a subclass of BackendConformance must have a fixture named backend")

    @pytest.fixture
    def other(self, backend: Backend) -> Backend:
        """Return another backend on the same engine and clock, as another worker has; shared backends must."""
        assert not backend.shared, "for a shared backend there must be a fixture named other"
        return backend

    @pytest.fixture
    def dead(self) -> Backend | None:
        """Return a backend whose engine does not answer, with a short timeout; None if there is no such thing."""
        return None

    @pytest.fixture
    def lossy(self) -> Lossy | None:
        """Return a backend on the same engine and clock, with a short timeout, and what makes it lose answers.

        That is a function whose context lasts as long as the engine does what this backend asks, and no answer comes.
        None if there is no such thing: then its tests are skipped.
        """
        return None

    @pytest.fixture
    def unclocked(self) -> Backend | None:
        """Return a backend built without the clock, whose engine holds nothing yet; its tests are skipped if None."""
        return None

    def leave_thread(self, backend: Backend) -> None:
        """Do what a thread that used the backend must do at its end; for subclasses."""

    @pytest.fixture
    def loop(
        self, backend: Backend, other: Backend, dead: Backend | None, lossy: Lossy | None, unclocked: Backend | None
    ) -> Iterator[LoopThread]:
        """Return an event loop on a thread of its own."""
        with LoopThread.running() as loop:
            yield loop
            for each in (backend, other, dead, lossy and lossy[0], unclocked):
                if each is not None:
                    loop.run(each.aclose())

    @pytest.fixture(params=["sync", "async"])
    def way(self, request: Any, loop: LoopThread) -> LoopThread | None:
        """Return the loop on which async twins are called, or None for the verbs themselves."""
        return loop if request.param == "async" else None

    @pytest.fixture
    def here(self, backend: Backend, way: LoopThread | None) -> Verbs:
        """Return the verbs of one worker."""
        return Verbs(backend, way)

    @pytest.fixture
    def there(self, other: Backend, way: LoopThread | None) -> Verbs:
        """Return the verbs of another worker."""
        return Verbs(other, way)

    @pytest.fixture
    def started(self, here: Verbs) -> None:
        """Begin the session ``ID``, as ``RECORD``."""
        here.create(ID, RECORD, None)

    @pytest.fixture
    def listen(self, loop: LoopThread) -> Iterator[Callable[..., Listener]]:
        """Return a function that starts a watch over sessions."""
        listeners: list[Listener] = []

        def listen(backend: Backend, *ids: str) -> Listener:
            listeners.append(Listener(backend, loop))
            for id in ids:
                listeners[-1].add(id)
            return listeners[-1]

        yield listen
        for listener in listeners:
            listener.stop()

    def race(self, *runs: tuple[Verbs, Callable[[Verbs], Any]]) -> list[Any]:
        """Call functions at the same time, each on a thread; return what each returned, or its NotFound or Conflict."""
        barrier = threading.Barrier(len(runs))

        def run(verbs: Verbs, function: Callable[[Verbs], Any]) -> Any:
            barrier.wait(DEADLOCK)
            try:
                return function(verbs)
            except (SessionNotFound, Conflict) as error:
                return error
            finally:
                self.leave_thread(verbs.backend)

        with ThreadPoolExecutor(len(runs)) as pool:
            return [future.result(DEADLOCK) for future in [pool.submit(run, *each) for each in runs]]

    def carried(self, verbs: Verbs, notice: bytes) -> bytes:
        """Return what a watcher is told instead of a notice."""
        return notice if verbs.backend.carries_notices else b""

    @pytest.fixture
    def carrying(self, backend: Backend) -> None:
        """Leave the test out where notices are not carried."""
        if not backend.carries_notices:
            pytest.skip("this backend does not carry notices")
