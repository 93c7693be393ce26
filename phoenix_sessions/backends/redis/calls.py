"""What is asked of Redis for each verb, and what its answer means.

Rules:
    1. An asking is a script, whom it is about, and the script's keys and arguments, all of them bytes.
    2. All keys of a session share the hash tag ``{id}``, so that a cluster holds them on one node.
    3. An answer is 0 (there is none), 1 (done), 2 (fenced), a record (a conflict), or what the script says.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ...core.errors import Conflict, Fenced, SessionNotFound
from ...runtime.clock import Clock
from ..base import ACTION_ID_BYTES, Claim, Commit, Page, Point, Record
from .records import NO_FENCE, pack_fence, pack_past, pack_point, pack_start, unpack
from .scripts import Script, Scripts

_LONGEST: Final = 1 << 53  # milliseconds that Lua can count
_SPECIAL: Final = frozenset(b"*?[]\\^-")
_is_id: Final = re.compile(rb"[A-Za-z0-9_-]{1,64}").fullmatch


class Calls:
    """The askings of a backend.

    Args:
        prefix: What the names of all keys and channels begin with.
        scripts: The scripts.
        suffix: What a session's channel has after the session's key.
        clock: Whose time is used in place of the server's; None = the server's.
    """

    def __init__(self, prefix: str, scripts: Scripts, suffix: str, clock: Clock | None) -> None:
        self.scripts = scripts
        self._start = prefix.encode() + b"{"
        self._end = b"}" + suffix.encode()
        self._lease = prefix.encode() + b"lease:{"
        escaped = [b"\\%c" % byte if byte in _SPECIAL else b"%c" % byte for byte in self._start]
        self._match = b"".join(escaped) + b"*}"
        self._clock = clock

    # -- names and numbers -----------------------------------------------------------------------------------------

    def key(self, id: str) -> bytes:
        """Return the name of a session's key."""
        return self._start + id.encode() + b"}"

    def channel(self, id: str) -> bytes:
        """Return the name of a session's channel."""
        return self._start + id.encode() + self._end

    def watched(self, channel: bytes) -> str:
        """Return the session whose channel it is."""
        return channel[len(self._start) : -len(self._end)].decode()

    def page(self, found: list[bytes], cursor: str | None) -> Page:
        """Return what a scan has found: keys, each with a birth; those that are no session's are passed over."""
        ids = (key[len(self._start) : -1] for key in found[::2])
        births = {id.decode(): birth for id, birth in zip(ids, found[1::2], strict=True) if _is_id(id)}
        return Page(tuple(births.items()), cursor)

    def _keys(self, id: str) -> tuple[bytes, bytes, bytes]:
        key = self._start + id.encode() + b"}"
        return key, key + b":log", key + b":actions"

    def _now(self) -> bytes:
        return b"" if self._clock is None else b"%d" % round(self._clock.time() * 1000)

    # -- askings ---------------------------------------------------------------------------------------------------

    def load(self, id: str, known: Point | None, fence: int | None, last: bytes) -> tuple[Any, ...]:
        """Ask for a session."""
        past = b"" if known is None else pack_past(known, last)
        return self.scripts.load, id, self.key(id), past, pack_fence(fence)

    def create(self, id: str, record: Record, ttl: float | None, fence: int | None) -> tuple[Any, ...]:
        """Ask for the beginning of a session."""
        rest = record.birth + record.state
        owner = pack_fence(fence) or NO_FENCE
        return (
            self.scripts.create,
            id,
            *self._keys(id),
            self._now(),
            _milliseconds(ttl),
            pack_start(record),
            owner,
            rest,
        )

    def commit(self, id: str, commit: Commit) -> tuple[Any, ...]:
        """Ask for a change of a session, which may be asked for again if its id will be remembered."""
        start = self._start + id.encode()
        return (
            self.scripts.commit if commit.to == commit.at else self.scripts.commit_again,
            id,
            start + b"}",
            start + b"}:log",
            start + b"}:actions",
            self._now(),
            commit.id,
            pack_past(commit.at, commit.after),
            pack_point(commit.to),
            _milliseconds(commit.ttl),
            commit.notice,
            commit.state,
            b"".join(commit.actions),
            pack_fence(commit.fence),
            b"%d" % commit.log_limit,
            *commit.log,
        )

    def touch(self, id: str, ttl: float | None) -> tuple[Any, ...]:
        """Ask for more time for a session."""
        return self.scripts.touch, id, *self._keys(id), self._now(), _milliseconds(ttl)

    def expire(self, id: str, idle: float, notice: bytes) -> tuple[Any, ...]:
        """Ask for the end of a session that is idle."""
        return self.scripts.expire, id, *self._keys(id), self._now(), b"%.17g" % (idle * 1000), notice

    def delete(self, id: str, at: Point | None, notice: bytes, last: bytes) -> tuple[Any, ...]:
        """Ask for the end of a session."""
        past = b"" if at is None else pack_past(at, last)
        return self.scripts.delete, id, *self._keys(id), past, notice

    def log(self, id: str) -> tuple[Any, ...]:
        """Ask for the log of a session."""
        return self.scripts.log, id, self.key(id) + b":log"

    def actions(self, id: str) -> tuple[Any, ...]:
        """Ask for the names of actions that a session remembers."""
        return self.scripts.actions, id, self.key(id) + b":actions"

    def tell(self, id: str, notice: bytes) -> tuple[Any, ...]:
        """Ask for a notice to the watchers of a session."""
        return self.scripts.tell, id, self.channel(id), notice

    def scan(self, count: int) -> tuple[Script, bytes, bytes]:
        """Ask for some sessions."""
        return self.scripts.scan, self._match, b"%d" % count

    def count(self, count: int) -> tuple[Script, bytes, bytes]:
        """Ask how many sessions there are among some keys."""
        return self.scripts.count, self._match, b"%d" % count

    def lease(self, script: Script, name: str, owner: str, seconds: float, fence: int = 0) -> tuple[Any, ...]:
        """Ask for a lease, for more of it, or give it back."""
        wanted = _milliseconds(seconds), b"%d" % fence
        return script, name, self._lease + name.encode() + b"}", self._now(), owner.encode(), *wanted


def _milliseconds(seconds: float | None) -> bytes:
    return b"" if seconds is None else b"%d" % min(max(seconds * 1000, 1), _LONGEST)


# -- answers -------------------------------------------------------------------------------------------------------


def done(id: str, reply: Any) -> None:
    """Take the answer to a change of a session.

    Raises:
        SessionNotFound: There is none.
        Conflict: It is something else.
    """
    if reply == 0:
        raise SessionNotFound(id)
    if reply != 1:
        raise Conflict(id, unpack(id, reply))


def loaded(id: str, fence: int | None, reply: Any) -> Record | None:
    """Return a session, or None if it is still what the caller knows."""
    if reply == 0:
        raise SessionNotFound(id)
    if reply == 2:
        raise Fenced(id, fence or 0)
    return None if reply == 1 else unpack(id, reply)


def committed(id: str, commit: Commit, reply: Any) -> tuple[bytes, ...]:
    """Return the actions that were repeated."""
    if reply == 1:
        return ()
    if isinstance(reply, list):
        return tuple(reply)
    if reply == 2:
        raise Fenced(id, commit.fence or 0)
    done(id, reply)
    return ()


def names(reply: Any) -> list[bytes]:
    """Return the names of actions that a session remembers."""
    return [reply[start : start + ACTION_ID_BYTES] for start in range(0, len(reply), ACTION_ID_BYTES)]


def expired(id: str, reply: Any) -> float | None:
    """Return how long (seconds) it is until a session may be ended, or None if it was."""
    if reply == 0:
        raise SessionNotFound(id)
    return float(reply) / 1000 if reply else None


def claimed(seconds: float, reply: Any) -> Claim:
    """Return a lease, or how long another's still lasts."""
    fence, left = reply
    return Claim(fence, seconds) if fence else Claim(None, int(left) / 1000)


def renewed(name: str, fence: int, reply: Any) -> None:
    """Take the answer to a wish for more of a lease."""
    if reply == 2:
        raise Fenced(name, fence)
