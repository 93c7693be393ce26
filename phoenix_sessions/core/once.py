"""Actions that are applied once, however often they come: those with an ``id`` in their meta.

Rules:
    1. Whoever may send an action again (after a lost answer, from a queue) gives it an id of its own choice, such as a
       UUID.
    2. The last ``REMEMBERED`` ids of a session are known; an action whose id is among them changes nothing, and its
       dispatcher gets the present version.
    3. An action that failed was not applied, so it may come again under its id.
    4. A debounced action is known by its id from when it came, not from when it runs.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from .action import Action

REMEMBERED: Final = 256
NAME_BYTES: Final = 8


def name_of(action: Action, origin: str = "dispatch") -> bytes | None:
    """Return the name by which an action is known to have been applied, or None if it may be applied again."""
    if not action.meta or origin == "debounce" or (id := action.meta.get("id")) is None:
        return None
    return blake2b(repr(id).encode(errors="surrogatepass"), digest_size=NAME_BYTES).digest()


class Once(dict[bytes, None]):
    """The names of the last actions that were applied."""

    __slots__ = ()

    def note(self, name: bytes) -> None:
        """Remember a name, and forget the oldest if they are too many."""
        self[name] = None
        if len(self) > REMEMBERED:
            del self[next(iter(self))]
