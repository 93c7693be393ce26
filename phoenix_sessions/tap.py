"""A tap: one stream as one worker has it, with all who listen to it there.

Rules:
    1. The lock is held for moments; nobody is called under it.
    2. Of each event loop that has somebody waiting, the bell rings once.
    3. Receivers are called in order by one thread at a time; what is put meanwhile, also by a receiver, is told by that
       thread.
    4. A finalizer may run anywhere, also under the lock, so it takes none: it leaves word with ``orphaned``.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from .chain import Chain
from .core.events import Gap, Item, Reason
from .cursor import Cursor, Group, Receiver
from .runtime import telemetry

logger = logging.getLogger("phoenix_sessions")


class Tap:
    """One stream in one worker.

    Args:
        name: Its name.
        open: Whether those who come are given a place at once.
        live: Whether everything comes.
        orphaned: Called when a listener was garbage-collected, on any thread; must take no lock.

    Attributes:
        over: Whether nothing more comes.
    """

    def __init__(self, name: str, *, open: bool, live: bool, orphaned: Callable[[object], None]) -> None:
        self.name = name
        self.live = live
        self.over = False
        self._open = open
        self._lock = threading.Lock()
        self._turned = threading.Condition(self._lock)
        self._chain = Chain(orphaned)
        self._told: tuple[tuple[Cursor, Receiver], ...] = ()
        self._groups: dict[asyncio.AbstractEventLoop, Group] = {}
        self._telling = False

    # -- who listens -------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many listen (count)."""
        with self._lock:
            return len(self._chain)

    def add(self, cursor: Cursor, receiver: Receiver | None = None) -> None:
        """Have somebody listen: who waits on the running event loop, or a receiver."""
        with self._lock:
            if receiver is not None:
                self._told = (*(each for each in self._told if not each[0].over), (cursor, receiver))
            else:
                loop = asyncio.get_running_loop()
                group = cursor.group = self._groups.setdefault(loop, Group())
                group.members += 1
            self._chain.add(cursor)
            if self._open:
                self._chain.place(cursor)
                cursor.gap = None if self.live else Gap("local", False)

    def remove(self, cursor: Cursor) -> None:
        """Have somebody listen no more. Fine to repeat."""
        with self._lock:
            if not self._chain.remove(cursor):
                return
            self._told = tuple(each for each in self._told if each[0] is not cursor)
            if (group := cursor.group) is not None:
                group.waiting.discard(cursor.wake)
                group.members -= 1
                if not group.members:
                    self._groups.pop(group.loop, None)

    # -- putting -----------------------------------------------------------------------------------------------------

    def put(self, *items: Item) -> None:
        """Put items at the end of the chain, and tell all; on any thread."""
        with self._lock:
            if self.over:
                return
            gaps = self._append(items)
            groups = self._to_ring()
        self._announce(gaps, groups)

    def lose(self) -> None:
        """Say that from here on events may be missed."""
        self._turn("interrupted", live=False)

    def resume(self) -> None:
        """Say that from here on everything comes; who has no place yet gets one."""
        self._turn("resumed", live=True)

    def end(self) -> None:
        """Say that nothing more comes."""
        self._turn("stopped", live=False, over=True)

    def _turn(self, reason: Reason, *, live: bool, over: bool = False) -> None:
        gap = Gap(reason, live)
        with self._lock:
            if self.over or (live == self.live and not over):
                return
            self.live, self.over = live, over
            gaps = self._append((gap,))
            if live:
                self._chain.place_all()
            self._open = live
            self._turned.notify_all()
            groups = self._to_ring()
        self._announce(gaps, groups)

    def _append(self, items: tuple[Item, ...]) -> list[tuple[Reason, int]]:
        """Lengthen the chain; returns the reasons of the gaps that this makes, each with how many are given it."""
        gaps: list[tuple[Reason, int]] = []
        for item in items:
            if type(item) is Gap and (placed := self._chain.placed):
                gaps.append((item.reason, placed))
            if slow := self._chain.append(item, live=self.live):
                gaps.append(("slow", slow))
        return gaps

    def _to_ring(self) -> list[Group]:
        groups = [group for group in self._groups.values() if group.waiting and not group.rung]
        for group in groups:
            group.rung = True
        return groups

    def _announce(self, gaps: list[tuple[Reason, int]], groups: list[Group]) -> None:
        for group in groups:
            self._ring(group)
        if self._told:
            self._tell()
        for reason, count in gaps:
            telemetry.execute(telemetry.STREAM_GAP, {"count": count}, {"stream": self.name, "reason": reason})

    # -- waking and telling ------------------------------------------------------------------------------------------

    def _ring(self, group: Group) -> None:
        if group.thread == threading.get_ident() and not group.loop.is_closed():
            self._wake(group)
            return
        rung = None
        try:
            rung = group.bell.ring(lambda: self._wake(group))
        finally:
            if not rung:  # the loop is closed; or an interrupt came, and the next item rings
                group.rung = False
        if rung is False:
            with self._lock:
                self._groups.pop(group.loop, None)

    def _wake(self, group: Group) -> None:
        with self._lock:
            group.rung = False
            waiting, group.waiting = group.waiting, set()
        for event in waiting:
            event.set()

    def _tell(self) -> None:
        """Call the receivers, unless another thread does: then that goes on until all is told."""
        with self._lock:
            if self._telling:
                return
            self._telling = True
        while told := self._next_to_tell():
            for index, (cursor, receiver, item) in enumerate(told):
                try:
                    if not cursor.over:
                        receiver(item)
                except Exception:
                    logger.exception("stream %s: a receiver failed", self.name)
                except BaseException:  # an interrupt: the next item has the rest told
                    self._leave_untold(told[index + 1 :])
                    raise

    def _next_to_tell(self) -> list[tuple[Cursor, Receiver, Item]]:
        """Return what is to be told next, one item for each receiver that is behind."""
        with self._lock:
            told = [(*each, item) for each in self._told if (item := each[0].take()) is not None]
            self._telling = bool(told)
            return told

    def _leave_untold(self, untold: list[tuple[Cursor, Receiver, Item]]) -> None:
        with self._lock:
            self._telling = False
            for cursor, _, _ in untold:
                cursor.gap = Gap("missed", self.live)

    # -- reading -----------------------------------------------------------------------------------------------------

    def take(self, cursor: Cursor) -> Item | None:
        """Return what comes next for a listener, or None."""
        with self._lock:
            return cursor.take()

    def nothing_for(self, cursor: Cursor) -> bool:
        """Return whether it has to wait; then its ``wake`` is set when there is something."""
        with self._lock:
            if self.over or cursor.over or cursor.behind:
                return False
            assert cursor.group is not None, "only who is on an event loop waits there"
            cursor.wake.clear()
            cursor.group.waiting.add(cursor.wake)
            return True

    def unplaced(self, cursor: Cursor) -> bool:
        """Return whether it has to wait until everything comes; then its ``wake`` is set when that may be."""
        with self._lock:
            if self.over or cursor.at is not None:
                return False
            if cursor.group is not None:
                cursor.wake.clear()
                cursor.group.waiting.add(cursor.wake)
            return True

    def wait_placed(self, cursor: Cursor, timeout: float) -> bool:
        """Wait on this thread until everything comes, or the tap is over; returns False after ``timeout`` seconds."""
        with self._turned:
            return self._turned.wait_for(lambda: self.over or cursor.at is not None, timeout)
