"""The hub: one watch for all sessions of a worker, on the background loop.

Rules:
    1. A session that is watched hears of every change elsewhere, in order; so its cached state can be read without
       asking. While the watch is interrupted, no session counts as fresh.
    2. Notices are taken in the session's mailbox, like any other message.
    3. A session may be here twice, for a while: when it was found just before it left memory, and loaded again. Both
       are told.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..backends.base import Watch

if TYPE_CHECKING:
    from ..runtime.background import Background
    from .engine import Engine
    from .looking import Looking
    from .owned import Owned
    from .streaming import EngineTap

    Watched: TypeAlias = Looking | Owned | EngineTap

logger = logging.getLogger("phoenix_sessions")

AGAIN_SECONDS = 1.0


class Hub:
    """Tells the sessions of a worker what happens to them elsewhere."""

    def __init__(self, engine: Engine, background: Callable[[], Background]) -> None:
        self._engine = engine
        self._find_background = background
        self._numbers = itertools.count(1)
        self.begin_again()

    def begin_again(self) -> None:
        """Watch over nothing, as a forked child does: what is watched lives in the parent."""
        self._lock = threading.Lock()
        self._watched: dict[str, dict[Watched, int]] = {}  # replaced, never changed; the number says since when
        self._effective: set[str] = set()
        self._watch: Watch | None = None
        self._background: Background | None = None

    def __len__(self) -> int:
        """Return how many sessions are watched over (count)."""
        return len(self._watched)

    def __contains__(self, session: Watched) -> bool:
        return session in self._watched.get(session.id, ())

    def add(self, session: Watched) -> None:
        """Watch over a session."""
        id = session.id
        with self._lock:
            there = self._watched.get(id, {})
            if session in there:
                return
            self._watched[id] = {**there, session: next(self._numbers)}
            background = self._find_background()
            if first := self._background is not background:  # the first at all, or after a stop
                self._background, self._watch = background, None
            effective = id in self._effective
        if first:
            self._start(background, session)
        elif effective:
            self._post(session, session.look_again)
        else:
            background.call_soon(self._with_watch, "add", id)

    def _start(self, background: Background, session: Watched) -> None:
        try:
            background.keep_running(self._run)
        except RuntimeError:  # no thread to be had now; the next session may have better luck
            with self._lock:
                self._background = None
            self.remove(session)
            raise

    def remove(self, session: Watched) -> None:
        """Watch over it no more."""
        id = session.id
        with self._lock:
            there = self._watched.get(id, {})
            session.fresh = False
            if session not in there:
                return
            left = {each: since for each, since in there.items() if each is not session}
            if left:
                self._watched[id] = left
            else:
                del self._watched[id]
                self._effective.discard(id)
            background = self._background
        if not left and background is not None and background.running:
            background.call_soon(self._with_watch, "remove", id)

    def watched(self, session: Watched) -> int:
        """Return a number that stays the same for as long as no notice of the session can be missed; 0 = it may be."""
        with self._lock:
            return self._watched.get(session.id, {}).get(session, 0) if session.id in self._effective else 0

    def confirm(self, session: Watched, watched: int) -> None:
        """Let it count as fresh, since it was found to be the newest, and nothing was missed since ``watched``."""
        with self._lock:
            there = session.id in self._effective and self._watched.get(session.id, {}).get(session)
            if watched and there == watched:
                session.fresh = True

    def _with_watch(self, verb: str, id: str) -> None:
        if self._watch is not None and (verb == "add") == (id in self._watched):
            getattr(self._watch, verb)(id)

    async def _run(self) -> None:
        while True:
            self._watch = self._engine.backend.watch(self)
            for id in list(self._watched):
                self._watch.add(id)
            try:
                await self._watch.run()
            except Exception:
                logger.exception("the watch over the shared sessions has failed; it begins again")
            self.lost()
            await asyncio.sleep(AGAIN_SECONDS)

    # -- Watcher -----------------------------------------------------------------------------------------------------

    def watching(self, id: str) -> None:
        """Have the session look once more; then nothing can have been missed."""
        with self._lock:
            sessions = self._watched.get(id, {})
            if sessions:
                self._effective.add(id)
        for session in sessions:
            self._post(session, session.look_again)

    def noticed(self, id: str, notice: bytes) -> None:
        """Give a notice to its session."""
        for session in self._watched.get(id, ()):
            self._post(session, session.take_in, notice)

    def lost(self) -> None:
        """Have no session count as fresh."""
        watched: list[Watched] = []
        with self._lock:
            self._effective.clear()
            for id, sessions in self._watched.items():
                self._watched[id] = {session: next(self._numbers) for session in sessions}
                watched += sessions
                for session in sessions:
                    session.fresh = False
        for session in watched:
            session.lost()

    def _post(self, session: Watched, work: Callable[..., Any], *args: Any) -> None:
        try:
            session.post_always(True, work, *args)
        except Exception:
            logger.exception("session %s: a notice failed", session.id)
