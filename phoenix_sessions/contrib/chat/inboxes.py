"""Finds out whose inboxes are to be told, beside the verbs, which do not wait for it.

Rules:
    1. All conversations that wait are done at once, each once however often it changed meanwhile.
    2. Who its members are is asked of the conversation's process, which is started if need be.
    3. While that does not answer, it is asked again for some time; then the inboxes learn with the next message.
    4. The thread ends when there was nothing to do for some seconds. A forked child has nothing waiting.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Final

from django.db import connections

from . import live, storage
from .twins import twin

logger = logging.getLogger("phoenix_sessions.chat")

_AT_ONCE: Final = 100
_PATIENCE: Final = 5.0
_LINGER: Final = 5.0
_TRIES: Final = 5
_PAUSE: Final = 0.5


class Inboxes:
    """Tells the members' inboxes that their conversation has changed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, int] = {}  # how often it was tried
        self._busy = False
        self._thread: threading.Thread | None = None

    def tell_members(self, conversation: str) -> None:
        """Tell them soon; never waits, never raises."""
        with self._changed:
            self._waiting.setdefault(conversation, 0)
            if self._thread is None:
                self._start()
            elif not self._busy and len(self._waiting) == 1:
                self._changed.notify_all()

    def wait_until_told(self, timeout: float) -> bool:
        """Wait until nobody waits to be told, and return whether that is so in time (seconds)."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="phoenix_chat-members", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there is none to be had: the next who tells tries again
            return
        self._thread = thread

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while batch := self._take():
                failed = runner.run(_tell_all(batch))
                connections.close_all()
                self._finish(batch, failed)

    def _take(self) -> list[str]:
        """Wait for conversations; none = there were none for some time, and the thread is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, _LINGER)
            batch = list(self._waiting)[:_AT_ONCE]
            self._busy = bool(batch)
            if not batch:
                self._thread = None
            self._tries = {each: self._waiting.pop(each) + 1 for each in batch}
            return batch

    def _finish(self, batch: list[str], failed: list[str]) -> None:
        if failed:
            time.sleep(_PAUSE)
        with self._changed:
            for each in failed:
                if self._tries[each] < _TRIES:
                    self._waiting[each] = self._tries[each]
                else:
                    logger.warning("conversation %s: its members' inboxes could not be told", each)
            self._busy = False
            self._changed.notify_all()


async def members_of(conversation: str) -> tuple[str, ...]:
    """Return who is in a conversation."""
    return tuple(each.participant for each in await twin(storage.list_members)(conversation, None))


async def _tell_all(conversations: list[str]) -> list[str]:
    """Tell the members of some conversations, and return of which they are not known."""
    told = await asyncio.gather(*map(_tell, conversations))
    return [each for each, done in zip(conversations, told, strict=True) if not done]


async def _tell(conversation: str) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            members = await members_of(conversation)
    except Exception as error:
        logger.info("conversation %s: its members are not known: %s", conversation, error)
        return False
    live.tell_inboxes(conversation, members)
    return True
