"""The scripts of a backend, which the server keeps and which are called by their hash."""

from __future__ import annotations

import hashlib
from typing import Final

from . import lua, lua_leases


class Script:
    """A script, or another command, and how it is called.

    Attributes:
        again: Whether it may be run again, when it is unknown whether it ran.
        alone: The same script, called with the first key of a session alone; None = it has no more.
        tells: What a session's channel has after its key, if the script tells watchers.
        whole: Whether a walk with it must find all sessions, rather than count each once.
        known: What begins a call of it if the server knows it.
        new: What begins a call of it otherwise.
    """

    __slots__ = ("again", "alone", "known", "new", "tells", "whole")

    def __init__(
        self,
        known: tuple[bytes, ...],
        new: tuple[bytes, ...],
        *,
        again: bool,
        alone: Script | None = None,
        tells: bytes | None = None,
        whole: bool = False,
    ) -> None:
        self.known = known
        self.new = new
        self.again = again
        self.alone = alone
        self.tells = tells
        self.whole = whole


def _lua(source: str, keys: int, *, again: bool, tells: bytes | None = None, whole: bool = False) -> Script:
    text = source.encode()
    number = b"%d" % keys
    name = hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()
    alone = _lua(source, 1, again=again, tells=tells) if keys > 1 else None
    known, new = (b"EVALSHA", name, number), (b"EVAL", text, number)
    return Script(known, new, again=again, alone=alone, tells=tells, whole=whole)


def _command(*words: bytes) -> Script:
    return Script(words, words, again=True)


SLOTS: Final = _command(b"CLUSTER", b"SLOTS")
NODES: Final = _command(b"CLUSTER", b"NODES")
PUBLISH: Final = _command(b"PUBLISH")
SHARD_PUBLISH: Final = _command(b"SPUBLISH")


class Scripts:
    """All scripts of a backend.

    Args:
        tell: The command that tells watchers.
        suffix: What a session's channel has after the session's key.
    """

    def __init__(self, tell: Script, suffix: str) -> None:
        def telling(source: str, *, again: bool) -> Script:
            text = source.replace("'PUBLISH'", f"'{publish}'").replace("CHANNEL", f"key .. '{suffix}'")
            return _lua(text, 3, again=again, tells=suffix.encode())

        publish = tell.known[0].decode()
        self.load = _lua(lua.LOAD, 1, again=True)
        self.create = _lua(lua.CREATE, 3, again=False)
        self.commit = telling(lua.COMMIT, again=False)
        self.commit_again = telling(lua.COMMIT, again=True)
        self.touch = _lua(lua.TOUCH, 3, again=True)
        self.expire = telling(lua.EXPIRE, again=False)
        self.delete = telling(lua.DELETE, again=False)
        self.log = _lua(lua.LOG, 1, again=True)
        self.actions = _lua(lua.ACTIONS, 1, again=True)
        self.tell = tell
        self.scan = _lua(lua.SCAN, 0, again=True, whole=True)
        self.count = _lua(lua.COUNT, 0, again=True)
        self.claim = _lua(lua_leases.CLAIM, 1, again=True)
        self.renew = _lua(lua_leases.RENEW, 1, again=True)
        self.release = _lua(lua_leases.RELEASE, 1, again=True)
