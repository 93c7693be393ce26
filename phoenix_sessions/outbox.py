"""What a connection has to send, bounded however slow its client is.

Rules:
    1. State is not queued: the latest value of each event waits, and one frame takes them all.
    2. At most ``WINDOW`` frames are on the way unacknowledged; ASGI servers buffer without limit what a client
       does not read.
    3. At most ``MAX_REPLIES`` answers wait. A client that asks more without reading has lost its connection.
    4. Frames are numbered from 1; an acknowledgement covers all up to its number.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from .changes import Latest
from .frames import ErrorFrame, OkFrame, Resume, ServerFrame, StateFrame, encode
from .texts import texts

WINDOW: Final = 16
MAX_REPLIES: Final = 64

Reply = OkFrame | ErrorFrame


class Outbox(Latest):
    """The latest values, the answers, and how far the client has got."""

    def __init__(self) -> None:
        super().__init__()
        self.resume: Resume | None = None
        self._texts = texts()
        self._replies: deque[Reply] = deque()
        self._sent = 0
        self._acknowledged = 0

    @property
    def full(self) -> bool:
        """Whether the client has to acknowledge before it is sent more."""
        return self._sent - self._acknowledged >= WINDOW

    def reply(self, reply: Reply) -> bool:
        """Keep an answer to send; returns False if there are too many."""
        if len(self._replies) >= MAX_REPLIES:
            return False
        self._replies.append(reply)
        self.wake.set()
        return True

    def reply_instead(self, reply: Reply) -> None:
        """Keep an answer to send in place of those that wait."""
        self._replies.clear()
        self.reply(reply)

    def acknowledge(self, seq: int) -> bool:
        """Note how far the client has got; returns False for a number that makes no sense."""
        if not self._acknowledged < seq <= self._sent:
            return False
        if self.full:
            self.wake.set()  # else what there was to send has been sent
        self._acknowledged = seq
        return True

    def next_frame(self) -> ServerFrame | None:
        """Return what is to be sent next (its number still 0), or None; the latest values go before answers."""
        return self.next_state() or self.next_reply()

    def next_state(self) -> StateFrame | None:
        """Return the latest values as a frame (its number still 0), or None."""
        change = self.take()
        if change is None:
            return None
        values, epoch, version = change
        resume, self.resume = self.resume, None
        return StateFrame(0, epoch, version, values, resume)

    def next_reply(self) -> Reply | None:
        """Return the oldest answer, or None."""
        return self._replies.popleft() if self._replies else None

    def number(self, frame: ServerFrame) -> None:
        """Give the frame the next number."""
        self._sent += 1
        frame.seq = self._sent

    def text(self, frame: ServerFrame) -> str:
        """Return the frame as JSON text, with the next number.

        Raises:
            TypeError: A value is no plain data.
        """
        self.number(frame)
        return self._texts.encode(frame) if isinstance(frame, StateFrame) else encode(frame)
