"""What one worker has for agents, from its start to its stop.

Rules:
    1. It starts with a worker's first request or socket, so that what another has left undone waits for no message, or
       with the first message that may be an agent's; a forked child's anew.
    2. What is handed over never blocks and never raises, and is bounded: what finds no room, the look finds.
    3. At the stop it takes no more, lets those who are at it finish for some time, and leaves the rest undone, which
       another worker finds. That is before the gateway stops, which is imported after this, so that replies are stored
       still.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from phoenix_sessions import sessions

from ..conf import get_config
from ..types import Message

if TYPE_CHECKING:
    from .loop import AgentLoop


class Service:
    """Starts and stops what one worker has for agents."""

    def __init__(self) -> None:
        self._inherited: list[AgentLoop] = []  # of the parent process: to close them would close the parent's
        self._lock = threading.Lock()
        self._running: AgentLoop | None = None

    def on_sent(self, conversation: str, message: Message) -> None:
        """Have a new message delivered, if it is an agent's."""
        running = self._running
        if running is None or not running.is_alive():
            running = self.start()
        if running is not None:
            running.put(conversation)

    def start(self) -> AgentLoop | None:
        """Begin, unless that was done, or this process is stopping; costs next to nothing once it was done."""
        running = self._running
        if running is not None and running.is_alive():
            return running
        with self._lock:
            if self._running is None or not self._running.is_alive():
                self._running = None if sessions.stopping else _started()
            return self._running

    def stop(self, seconds: float) -> bool:
        """End, and return whether nothing was left undone.

        Args:
            seconds: How long those who are at it may go on.
        """
        with self._lock:
            running, self._running = self._running, None
        return running is None or running.stop(seconds)

    def begin_again(self) -> None:
        """Begin as if nothing had been, as a forked child does."""
        self._lock = threading.Lock()
        if self._running is not None:
            self._inherited.append(self._running)
        self._running = None


def _started() -> AgentLoop | None:
    from .loop import AgentLoop

    loop = AgentLoop(get_config())
    try:
        loop.start()
    except RuntimeError:  # there is no thread to be had: whoever asks next tries again
        loop.close()
        return None
    return loop


service = Service()


@sessions.at_stop
def _at_stop(seconds: float) -> None:
    service.stop(seconds / 3)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=service.begin_again)
