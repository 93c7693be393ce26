"""Who waits for whom, so that nobody waits for itself.

Rules:
    1. A thread holds the mailboxes whose messages it is handling; a coroutine those whose handler it is part of.
    2. Before a sender waits for a mailbox, the chain is followed: its holder, what that waits for, and so on. A chain
       that leads back to the sender would never end; the sender gets ReentrantCall instead.
    3. A thread that works for another, which waits for it, is a part of what that one keeps busy.
    4. Only senders that really wait come here, so the uncontended way costs nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from threading import get_ident
from typing import TYPE_CHECKING

from ..core.errors import ReentrantCall

if TYPE_CHECKING:
    from .mailbox import Mailbox

suspended_in: ContextVar[tuple[Mailbox, ...]] = ContextVar("phoenix_sessions_suspended_in", default=())
"""The mailboxes that the running coroutine keeps busy, being part of their handlers."""

_by_thread: dict[int, Mailbox] = {}
_by_mailbox: dict[Mailbox, list[Mailbox]] = {}
_works_for: dict[int, int] = {}
_lock = threading.RLock()


@contextlib.contextmanager
def waiting_for(mailbox: Mailbox) -> Iterator[None]:
    """Note that the caller's thread waits for the mailbox, for the time of the block.

    Raises:
        ReentrantCall: The mailbox waits, maybe through others, for the caller.
    """
    thread = get_ident()
    with awaiting(mailbox):
        with _lock:
            outer = _by_thread.get(thread)
            _by_thread[thread] = mailbox
        try:
            yield
        finally:
            with _lock:
                if outer is None:
                    _by_thread.pop(thread, None)
                else:
                    _by_thread[thread] = outer


@contextlib.contextmanager
def awaiting(mailbox: Mailbox) -> Iterator[None]:
    """Note that the caller's coroutine waits for the mailbox, for the time of the block; its thread goes on.

    Raises:
        ReentrantCall: The mailbox waits, maybe through others, for the caller.
    """
    held = suspended_in.get()
    with _lock:
        check(mailbox)
        for each in held:
            _by_mailbox.setdefault(each, []).append(mailbox)
    try:
        yield
    finally:
        with _lock:
            for each in held:
                _no_longer(each, mailbox)


@contextlib.contextmanager
def working_for(thread: int) -> Iterator[None]:
    """Note that another thread waits for what this one does, for the time of the block."""
    helper = get_ident()
    with _lock:
        _works_for[helper] = thread
    try:
        yield
    finally:
        with _lock:
            _works_for.pop(helper, None)


def _no_longer(holder: Mailbox, mailbox: Mailbox) -> None:
    waited_for = _by_mailbox.get(holder)
    if waited_for is not None:  # None in a forked child
        waited_for.remove(mailbox)
        if not waited_for:
            del _by_mailbox[holder]


def check(mailbox: Mailbox) -> None:
    """Follow the chains that start at the mailbox.

    Raises:
        ReentrantCall: One leads back to the caller.
    """
    held = suspended_in.get()
    with _lock:
        threads = _line(get_ident())
        links, seen = [mailbox], {mailbox}
        while links:
            link = links.pop()
            if link.owner in threads or link in held:
                raise ReentrantCall(mailbox.id)
            following = [each for each in _waited_for(link) if each not in seen]
            seen.update(following)
            links.extend(following)


def _waited_for(mailbox: Mailbox) -> Iterable[Mailbox]:
    """Return what the holder of the mailbox waits for: a thread or its helpers, or a coroutine, maybe for several."""
    if not mailbox.owner:
        return _by_mailbox.get(mailbox, ())
    threads = [mailbox.owner, *(helper for helper in _works_for if mailbox.owner in _line(helper)[1:])]
    return [_by_thread[thread] for thread in threads if thread in _by_thread]


def _line(thread: int | None) -> list[int]:
    """Return a thread, the one that it works for, and so on."""
    line: list[int] = []
    while thread is not None and thread not in line:
        line.append(thread)
        thread = _works_for.get(thread)
    return line


def _forget() -> None:
    global _lock
    _lock = threading.RLock()
    _by_thread.clear()
    _by_mailbox.clear()
    _works_for.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
