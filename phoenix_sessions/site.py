"""This site's supervisor, and what every group of verbs on it needs.

Rules:
    1. The supervisor is built by ``AppConfig.ready``, or by the first use; that starts no thread.
    2. Settings, then the process class, then the arguments of a start decide.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import Any

from django.db import close_old_connections

from .conf import Config, get_config
from .core.limits import check_session_id
from .process import SessionProcess
from .ref import SessionRef
from .runtime.clock import Clock, SystemClock
from .runtime.session import Session
from .runtime.supervisor import Supervisor
from .specs import ProcessSpecs


class Site:
    """The sessions of one site, as far as this OS process serves them.

    Attributes:
        lookup: Returns the session that runs, or begins to run, under an id, or None; the registry's own function.
        companion: A coroutine function that runs on the background loop for as long as it lives.
        specs: What is worked out once for each process class.
    """

    def __init__(self) -> None:
        self.companion: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._clock: Clock = SystemClock()
        self._lock = threading.Lock()
        self._supervisor: Supervisor | None = None
        self.lookup: Callable[[str], Session | None] = self._first_lookup
        self.specs = ProcessSpecs(self.ref, lambda: self._clock)

    @property
    def config(self) -> Config:
        """The settings."""
        return get_config()

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of this OS process, built when first asked for."""
        return self._supervisor or self.setup()

    def setup(self) -> Supervisor:
        """Build the supervisor, once; returns it."""
        with self._lock:
            if self._supervisor is None:
                config = self.config
                self._supervisor = Supervisor(
                    self._clock, config.max_sessions, config.rate, close_old_connections, self.companion
                )
                self.lookup = self._supervisor.registry.get
            return self._supervisor

    def replace(self, supervisor: Supervisor | None, clock: Clock) -> tuple[Supervisor | None, Clock]:
        """Put another supervisor and clock in place and return the ones that were; for tests."""
        with self._lock:
            before = self._supervisor, self._clock
            self._supervisor, self._clock = supervisor, clock
            self.lookup = self._first_lookup if supervisor is None else supervisor.registry.get
            return before

    def reconfigure(self) -> None:
        """Take over changed settings: limits at once, the rest for sessions started from now on."""
        self.specs.clear()
        if self._supervisor is not None:
            self._supervisor.registry.limit(self.config.max_sessions, self.config.rate)

    def ref(self, id: str) -> SessionRef:
        """Return a handle on this id, whether a session runs under it or not.

        Raises:
            InvalidSessionId: It is no session id.
        """
        return self._ref(check_session_id(id))

    def _first_lookup(self, id: str) -> Session | None:
        return self.setup().registry.get(id)

    def _running(self, id: str) -> Session | None:
        return self.supervisor.registry.get(check_session_id(id))

    def _session(self, id: str) -> Session:
        return self.supervisor.find(check_session_id(id))

    def _started(self, id: str) -> bool:
        session = self._running(id)
        return session is not None and session.alive

    def _ref(self, id: str) -> SessionRef:
        return SessionRef(id, self)  # type: ignore[arg-type]  # the only Site that is made is a SessionManager

    def _find(self, id: str) -> SessionRef:
        return self._ref(self._session(id).id)

    def _list(self, process: type[SessionProcess]) -> list[SessionRef]:
        everyone = self.supervisor.registry.all()
        return [self._ref(s.id) for s in everyone if s.alive and issubclass(s.spec.process, process)]  # type: ignore[arg-type]
