"""How a session travels to an earlier state: work for its mailbox.

Rules:
    1. Travelling commits the earlier state as a new version, and is noted in the history.
    2. What is not kept any more cannot be travelled to; a session without a history can travel nowhere.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import VersionNotFound
from ..core.history import History, HistoryEntry
from ..core.state import differences
from .store import Store


def entries(store: Store) -> Any:
    """Return what was applied in this life, oldest first."""
    return store.with_history(_entries)


def _entries(store: Store) -> list[HistoryEntry]:
    store.enter()
    return [] if store.history is None else store.history.entries(store.version)


def travel_to(store: Store, version: int) -> Any:
    """Make the state what it was at a version of this life; returns the new version.

    Raises:
        VersionNotFound: It is not kept.
        TypeError: It is no int.
    """
    return store.with_history(_travel_to, version)


def _travel_to(store: Store, version: int) -> int:
    store.enter()
    if not isinstance(version, int):
        raise TypeError(f"the version to travel to is {version!r}: it must be an int, such as the .version of an entry")
    history = store.records()
    if history is None or not history.oldest(store.version) <= version <= store.version:
        raise _not_found(store, version)
    return _show(store, history, version, "travel")


def undo(store: Store) -> Any:
    """Take back the last change; returns the new version.

    Raises:
        VersionNotFound: Nothing is kept that could be undone.
    """
    return store.with_history(_undo)


def _undo(store: Store) -> int:
    store.enter()
    if store.history is None or (target := store.history.undone(store.version)) is None:
        raise _not_found(store, "undo")
    return _show(store, store.history, target, "undo")


def redo(store: Store) -> Any:
    """Take back the last undo; returns the new version.

    Raises:
        VersionNotFound: The last change was no undo.
    """
    return store.with_history(_redo)


def _redo(store: Store) -> int:
    store.enter()
    if store.history is None or (target := store.history.redone(store.version)) is None:
        raise _not_found(store, "redo")
    return _show(store, store.history, target, "redo")


def _show(store: Store, history: History, version: int, origin: str) -> int:
    state = history.state_at(version, store.version, store.slices)
    shows = history.shown_at(version, store.version)
    store.change(None, origin, differences(store.slices, state), shows=shows)
    return store.version


def _not_found(store: Store, wanted: int | str) -> VersionNotFound:
    oldest = store.version if store.history is None else store.history.oldest(store.version)
    return VersionNotFound(store.id, wanted, oldest, store.version)
