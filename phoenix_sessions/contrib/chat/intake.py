"""What comes out of a stream, on its way to the session that follows it.

Rules:
    1. It listens before the session is there. What comes waits here, in its order, until the session takes it. That is
       woken for what it has to know at once, and for the rest when many wait; with each message it takes all.
    2. No more waits than a listener may have waiting; if more comes, something was missed.
    3. It belongs to the session's process object, and ends with it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Container
from typing import Any, Final

from phoenix_sessions import Gap, MailboxFull, SessionError, SessionRef, Stream, StreamEvent

logger = logging.getLogger("phoenix_sessions.chat")

LIMIT: Final = 1000
MANY: Final = 64
"""For how many events a session is woken that it need not know at once (count)."""


class Intake:
    """Listens to a stream, and casts ``"told"`` to a session that has something to take; not on an event loop's thread.

    Args:
        stream: What it listens to.
        later: The names of events that the session need not know at once.

    Raises:
        BackendUnavailable, ShuttingDown: As ``stream.subscribe``.
    """

    def __init__(self, stream: Stream, later: Container[str] = ()) -> None:
        self._later = later
        self._lock = threading.Lock()
        self._waiting: deque[StreamEvent | Gap] = deque()
        self._ref: SessionRef | None = None
        self._missed = False
        self._listener = stream.subscribe(self._hear, limit=LIMIT)

    @property
    def live(self) -> bool:
        """Whether everything comes at this moment."""
        return self._listener.live

    def attach(self, ref: SessionRef) -> None:
        """Have this session take what waits, and all that comes from now on."""
        self._ref = ref
        self._cast(ref, "told")

    def take(self) -> list[StreamEvent | Gap]:
        """Return what has come; by the session, in the course of a message."""
        if not self._waiting:
            return []
        with self._lock:
            items = list(self._waiting)
            self._waiting.clear()
        return items

    def post(self, message: Any) -> None:
        """Cast something else to the session, once it is there."""
        if self._ref is not None:
            self._cast(self._ref, message)

    def took_all(self) -> bool:
        """Return whether nothing was missed since the last time that this was asked."""
        missed, self._missed = self._missed, False
        return not missed

    def close(self) -> None:
        """Listen no more."""
        self._listener.unsubscribe()

    def _hear(self, item: StreamEvent | Gap) -> None:
        with self._lock:
            if len(self._waiting) >= LIMIT:
                self._waiting.clear()
                self._missed = True
            self._waiting.append(item)
            wakes = isinstance(item, Gap) or item.name not in self._later or len(self._waiting) % MANY == 0
        if wakes and self._ref is not None:
            self._cast(self._ref, "told")

    def _cast(self, ref: SessionRef, message: Any) -> None:
        try:
            ref.cast(message)
        except MailboxFull:  # whichever message waits there asks for what was missed
            self._missed = True
        except SessionError:  # it has ended, and whoever needs it starts another
            self.close()
