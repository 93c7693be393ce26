"""Who is in a conversation just now: ``visit = rooms.enter(...)``, ``visit.present``, ``visit.leave()``.

Rules:
    1. Nothing of it is stored. What is told to other workers, and when somebody is gone, is the room's: see ``room``.
    2. A visit belongs to the event loop that it began on, and so do rooms: each loop is like a worker of its own.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

from .room import Listener, Room, Times


class Visit:
    """Somebody's being there; ``leave`` it."""

    def __init__(self, room: Room, left: Callable[[], None]) -> None:
        self._room = room
        self._left = left
        self._over = False

    @property
    def present(self) -> tuple[str, ...]:
        """Who is there, sorted."""
        return tuple(sorted(self._room.shown))

    def leave(self) -> None:
        """Go; fine to repeat."""
        if not self._over:
            self._over = True
            self._left()


class Rooms:
    """The rooms of one worker.

    Args:
        times: How long things take.
    """

    def __init__(self, times: Times | None = None) -> None:
        self._times = times or Times()
        self._rooms: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Room]] = weakref.WeakKeyDictionary()

    def __len__(self) -> int:
        """Return how many rooms have somebody in them (count)."""
        return sum(map(len, self._rooms.values()))

    def enter(self, conversation: str, participant: str, listener: Listener) -> Visit:
        """Be there; on an event loop, to which the visit belongs.

        Args:
            conversation: Where; who enters must be a member.
            participant: Who.
            listener: Is called with a participant and whether it is there now, when somebody comes or goes.
        """
        rooms = self._rooms.setdefault(asyncio.get_running_loop(), {})
        if (room := rooms.get(conversation)) is None:
            room = rooms[conversation] = Room(conversation, self._times)

        def left() -> None:
            room.remove(participant, listener)
            if not len(room):
                del rooms[conversation]
                room.close()

        room.add(participant, listener)
        return Visit(room, left)


rooms = Rooms()
