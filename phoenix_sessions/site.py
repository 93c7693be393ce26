"""This site's supervisor, and what every group of verbs on it needs.

Rules:
    1. The supervisor is built by ``AppConfig.ready``, or by the first use; that starts no thread.
    2. Settings, then the process class, then the arguments of a start decide.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from asyncio import _get_running_loop
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

from django.db import close_old_connections

from .backends.base import Backend
from .conf import Config, get_config, make_backend
from .core.errors import SessionError, SessionNotFound
from .core.limits import check_session_id
from .process import SessionProcess
from .ref import SessionRef
from .runtime import flow
from .runtime.clock import Clock, SystemClock
from .runtime.session import Session
from .runtime.supervisor import Supervisor
from .shared.engine import Engine
from .shared.flusher import Flusher
from .shared.hub import Hub
from .shared.replicas import Replicas
from .specs import ProcessSpecs
from .waiting import refuse_on_event_loop

logger = logging.getLogger("phoenix_sessions")


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
        self._supervisor: Supervisor | None = None
        self._backend: Backend | None = None
        self._replicas: Replicas | None = None
        self.begin_again()
        self.lookup: Callable[[str], Session | None] = self._first_lookup
        self.specs = ProcessSpecs(self.ref, lambda: self._clock)
        _sites.add(self)

    def begin_again(self) -> None:
        """Wait for nothing that a thread of the parent would do, as a forked child."""
        self._lock = threading.Lock()
        self._unseen: dict[str, list[tuple[Context, Callable[[Session], None]]]] = {}
        self._unseen_lock = threading.RLock()
        if self._replicas is not None:
            self._replicas.flusher.begin_again()

    @property
    def config(self) -> Config:
        """The settings."""
        return get_config()

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of this OS process, built when first asked for."""
        return self._supervisor or self.setup()

    @property
    def backend(self) -> Backend:
        """The backend of the settings, made when first asked for.

        Raises:
            ImproperlyConfigured: OPTIONS is not for it.
        """
        with self._lock:
            if self._backend is None:
                self._backend = make_backend(self.config, self._clock)
            return self._backend

    @property
    def replicas(self) -> Replicas | None:
        """The shared sessions of this worker; None while there can be none."""
        if self._replicas is None and (self.config.durability != "memory" or self._others_may_have_some()):
            return self.shared  # another thread is just setting up, or this is the first look
        return self._replicas

    def _others_may_have_some(self) -> bool:
        """Return whether other workers may have stored sessions, though those of this site are in memory by default."""
        return SessionProcess.some_are_stored and (self._backend or self.config.backend).shared

    @property
    def shared(self) -> Replicas:
        """The shared sessions of this worker."""
        if self._replicas is None:
            config, supervisor, engine = self.config, self.supervisor, self.make_engine()
            with self._lock:
                self._replicas = self._replicas or Replicas(
                    engine,
                    Flusher(engine, lambda: self.supervisor, config.flush_interval),
                    lambda: self.supervisor,
                    self.specs.get,
                )
                supervisor.registry.make_room = self._replicas.make_room
        return self._replicas

    def make_engine(self) -> Engine:
        """Return the backend as this worker uses it, with a watch of its own."""
        config, backend, supervisor = self.config, self.backend, self.supervisor
        return Engine(
            backend,
            supervisor.clock,
            config.backend_patience,
            config.max_state_bytes,
            config.passivate_after,
            config.owner_lease,
            lambda engine: Hub(engine, lambda: self.supervisor.background),
        )

    def setup(self) -> Supervisor:
        """Build the supervisor, once; returns it."""
        with self._lock:
            if self._supervisor is None:
                config = self.config
                self._supervisor = Supervisor(
                    self._clock, config.max_sessions, config.rate, close_old_connections, self.companion
                )
                self.lookup = self._supervisor.registry.get
        supervisor = self._supervisor
        if self.config.durability != "memory":
            self.shared  # noqa: B018  # from now on there may be some
        return supervisor

    def replace(
        self,
        supervisor: Supervisor | None,
        clock: Clock,
        backend: Backend | None = None,
        replicas: Replicas | None = None,
    ) -> tuple[Supervisor | None, Clock, Backend | None, Replicas | None]:
        """Put another supervisor and what goes with it in place and return what was; for tests."""
        with self._lock:
            before = self._supervisor, self._clock, self._backend, self._replicas
            self._supervisor, self._clock, self._backend, self._replicas = supervisor, clock, backend, replicas
            self.lookup = self._first_lookup if supervisor is None else supervisor.registry.get
            return before

    def reconfigure(self) -> None:
        """Take over changed settings: limits at once, the rest for sessions started from now on."""
        self.specs.clear()
        self.disconnect()
        if self._supervisor is not None:
            self._supervisor.registry.limit(self.config.max_sessions, self.config.rate)
            self.setup()

    def disconnect(self) -> None:
        """Give up the backend; what uses it next makes another."""
        with self._lock:
            backend, self._backend, self._replicas = self._backend, None, None
        if backend is not None:
            backend.close()

    def ref(self, id: str) -> SessionRef:
        """Return a handle on this id, whether a session runs under it or not.

        Raises:
            InvalidSessionId: It is no session id.
        """
        return self._ref(check_session_id(id))

    def _first_lookup(self, id: str) -> Session | None:
        return self.setup().registry.get(id)

    def _lookup_seen(self, id: str) -> Session | None:
        """Return no session to which something is to be posted that was sent before."""
        return None if id in self._unseen else self.supervisor.registry.get(id)

    def _forget_unseen(self, id: str) -> list[tuple[Context, Callable[[Session], None]]]:
        """Return what waits to be posted to a session, and no longer wait with it."""
        waiting = self._unseen.pop(id, [])
        if not self._unseen:
            self.lookup = self._first_lookup if self._supervisor is None else self._supervisor.registry.get
        return waiting

    def session(self, id: str) -> Session:
        """Return the session under the id, which the engine is asked for if there may be one there.

        Raises:
            SessionNotFound: There is none.
            BackendUnavailable, InvalidSnapshot: It cannot be had.
        """
        session = self.supervisor.registry.get(check_session_id(id))
        if session is not None and session.alive and not session.in_doubt:
            return session
        if self.replicas is None:
            raise SessionNotFound(id)
        found: Session = flow.run(self.replicas.find(id))
        return found

    async def asession(self, id: str) -> Session:
        """Async twin of ``session``."""
        session = self.supervisor.registry.get(check_session_id(id))
        if session is None or not session.alive or session.in_doubt:
            if self.replicas is None:
                raise SessionNotFound(id)
            session = await flow.arun(self.replicas.find(id))
        if id in self._unseen:  # what was posted before comes first
            self._post_unseen(session, id)
        found: Session = session
        return found

    def seen_session(self, id: str) -> Session:
        """Return the session under the id, as far as this worker has it, for what never waits.

        A thread that runs no event loop may have it loaded all the same.

        Raises:
            SessionNotFound: There is none.
            SynchronousOnlyOperation: This worker has not seen it yet, and the thread runs an event loop.
        """
        session = self.supervisor.registry.get(check_session_id(id))
        if session is not None and session.alive:
            return session
        if self.replicas is not None:
            refuse_on_event_loop(
                "to look at a session that this worker has not seen yet", "await one of its async verbs first"
            )
        return self.session(id)

    def with_session(self, id: str, work: Callable[[Session], None]) -> None:
        """Do work that never waits: now, or on an event loop's thread once this worker has seen the session.

        Raises:
            SessionNotFound: There is none, which is known at once.
        """
        session = self.supervisor.registry.get(check_session_id(id))
        if session is not None and session.alive and id not in self._unseen:
            work(session)
        elif self.replicas is None or _get_running_loop() is None:
            work(self.session(id))
        else:
            self.with_session_later(id, work)

    def with_session_later(self, id: str, work: Callable[[Session], None]) -> None:
        """Do work that never waits once this worker has seen the session; whether there is one, the log says."""
        with self._unseen_lock:
            waiting = self._unseen.setdefault(id, [])
            waiting.append((copy_context(), work))
            first = len(waiting) == 1
            self.lookup = self._lookup_seen
        if first:
            try:
                self.supervisor.background.launch(copy_context(), lambda: self._see(id), _forget)
            except RuntimeError:  # no thread to be had now; the next may have better luck
                with self._unseen_lock:
                    self._forget_unseen(id)
                raise

    async def _see(self, id: str) -> None:
        """Load a session that something was posted to."""
        try:
            await self.asession(id)
        except Exception as error:  # also what an ``init_state`` raises
            with self._unseen_lock:
                lost = self._forget_unseen(id)
            for _ in lost:
                _report(id, error)

    def _post_unseen(self, session: Session, id: str) -> None:
        """Post what waited for the session to be loaded, in its order."""
        with self._unseen_lock:
            for context, work in self._unseen.get(id, ()):
                try:
                    context.run(work, session)
                except Exception as error:
                    _report(id, error)
            self._forget_unseen(id)

    def _ref(self, id: str) -> SessionRef:
        return SessionRef(id, self)  # type: ignore[arg-type]  # the only Site that is made is a SessionManager


def _report(id: str, error: Exception) -> None:
    trace = None if isinstance(error, SessionError) else error
    logger.error("session %s: what nobody waits for was not done: %s", id, error, exc_info=trace)


def _forget(task: asyncio.Task[Any]) -> None:
    """Look at nothing: the task has reported."""


_sites: weakref.WeakSet[Site] = weakref.WeakSet()


def _after_fork() -> None:
    for site in list(_sites):
        site.begin_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
