"""Finds out whose inboxes are to be told, beside the verbs, which do not wait for it.

Rules:
    1. A conversation that is quiet is looked up at once, and then at most every 200 ms, however often it changes.
    2. Who its members are is asked of the conversation's process, which is started if need be.
    3. While that does not answer, it is asked again for some time; then the inboxes learn with the next message.
    4. The thread ends when there was nothing to do for some seconds. A forked child has nothing waiting.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Final

from . import live
from .coalescer import Coalescer
from .errors import ChatError
from .processes import members_of

logger = logging.getLogger("phoenix_sessions.chat")

_EVERY: Final = 0.2
_AT_ONCE: Final = 100
_PATIENCE: Final = 5.0
_LINGER: Final = 5.0
_TRIES: Final = 30


class Inboxes:
    """Tells the members' inboxes that their conversation has changed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pace = Coalescer(self._add, _EVERY)
        self._waiting: dict[str, None] = {}
        self._tries: dict[str, int] = {}  # of those that are asked again
        self._busy = False
        self._over = False
        self._thread: threading.Thread | None = None

    def tell_members(self, conversation: str) -> None:
        """Tell them soon; never waits, never raises."""
        self._pace.tell(conversation, [conversation])

    def wait_until_told(self, timeout: float) -> bool:
        """Tell all at once, and return whether that was done in time (seconds)."""
        self._pace.flush()
        with self._changed:
            return self._changed.wait_for(lambda: not (self._waiting or self._busy or self._tries), timeout)

    def end(self) -> None:
        """Tell nobody any more; returns when nobody is being told."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy, 2 * _PATIENCE)

    def _add(self, conversation: str, _: object) -> None:
        with self._changed:
            if self._over:
                return
            self._waiting[conversation] = None
            if self._thread is None:
                self._start()
            elif not self._busy:
                self._changed.notify_all()

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
                self._finish(batch, failed)

    def _take(self) -> list[str]:
        """Wait for conversations, and return them; none = there were none for some time, and the thread is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over, _LINGER)
            batch = [] if self._over else list(self._waiting)[:_AT_ONCE]
            for each in batch:
                del self._waiting[each]
            self._busy = bool(batch)
            if not batch:
                self._thread = None
            return batch

    def _finish(self, batch: list[str], failed: list[str]) -> None:
        with self._changed:
            tries = {each: self._tries.get(each, 0) + 1 for each in failed}
            for each in batch:
                self._tries.pop(each, None)
            again = [each for each in failed if tries[each] < _TRIES]
            self._tries.update((each, tries[each]) for each in again)
            self._busy = False
            self._changed.notify_all()
        if len(again) < len(failed):
            logger.warning("%d conversations: their members' inboxes could not be told", len(failed) - len(again))
        for each in again:
            self.tell_members(each)


async def _tell_all(conversations: list[str]) -> list[str]:
    """Tell the members of some conversations, and return of which it is to be tried again."""
    told = await asyncio.gather(*map(_tell, conversations))
    return [each for each, done in zip(conversations, told, strict=True) if not done]


async def _tell(conversation: str) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            members = await members_of(conversation)
    except Exception as error:
        logger.info("conversation %s: its members are not known: %s", conversation, error)
        return isinstance(error, ChatError) and error.code == "unauthorized"  # there is no such one
    live.tell_inboxes(conversation, members)
    return True
