"""What comes out of a stream, on its way to the session that follows it.

Rules:
    1. It listens before the session is there: what comes meanwhile waits, in its order.
    2. No more waits than a listener may have waiting. Where something could not be handed over there is a gap.
    3. It belongs to the session's process object, and ends with it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any, Final

from phoenix_sessions import Gap, MailboxFull, SessionError, SessionRef, Stream, StreamEvent

logger = logging.getLogger("phoenix_sessions.chat")

LIMIT: Final = 1000


class Intake:
    """Listens to a stream, and casts each item to a session as ``("told", item)``; not on an event loop's thread.

    Args:
        stream: What it listens to.

    Raises:
        BackendUnavailable, ShuttingDown: As ``stream.subscribe``.
    """

    def __init__(self, stream: Stream) -> None:
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
        """Hand over what waits, and all that comes from now on."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._ref = ref
                    return
                item = self._waiting.popleft()
            self._cast(ref, ("told", item))

    def post(self, message: Any) -> None:
        """Cast something else to the session, once it is there."""
        if self._ref is not None:
            self._cast(self._ref, message)

    def took_all(self) -> bool:
        """Return whether everything was handed over since the last time that this was asked."""
        missed, self._missed = self._missed, False
        return not missed

    def close(self) -> None:
        """Listen no more."""
        self._listener.unsubscribe()

    def _hear(self, item: StreamEvent | Gap) -> None:
        with self._lock:
            ref = self._ref
            if ref is None:
                self._wait(item)
                return
        self._cast(ref, ("told", item))

    def _wait(self, item: StreamEvent | Gap) -> None:
        if len(self._waiting) >= LIMIT:
            self._waiting.clear()
            self._missed = True
        self._waiting.append(item)

    def _cast(self, ref: SessionRef, message: Any) -> None:
        try:
            ref.cast(message)
        except MailboxFull:  # whichever message waits there asks for what was missed
            self._missed = True
        except SessionError:  # it has ended, and whoever needs it starts another
            self.close()
