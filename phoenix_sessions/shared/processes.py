"""The process classes of stored sessions, by their names."""

from __future__ import annotations

from typing import cast
from weakref import WeakValueDictionary

from django.apps import apps
from django.utils.module_loading import import_string

from ..core.errors import InvalidSnapshot
from ..process import SessionProcess
from .birth import path_of

_processes: WeakValueDictionary[str, type[SessionProcess]] = WeakValueDictionary()


def note_process(process: type[SessionProcess]) -> None:
    """Note a class that is used here, wherever it was made."""
    _processes[path_of(process)] = process


def known_process(path: str) -> type[SessionProcess] | None:
    """Return a process class, or None if this worker has none of that name."""
    try:
        return find_process(path)
    except InvalidSnapshot:
        return None


def find_process(path: str) -> type[SessionProcess]:
    """Return the process class of this name.

    Raises:
        InvalidSnapshot: This worker has none, or the name is of something else.
    """
    process = _processes.get(path)
    if process is not None:
        return process
    try:
        if not any(path.startswith(f"{app.module.__name__.partition('.')[0]}.") for app in apps.get_app_configs()):
            raise ImportError("it is in no installed app")
        process = cast("type[SessionProcess]", import_string(path))
        if not issubclass(process, SessionProcess) or path_of(process) != path:
            raise ImportError("that is no session process")
    except Exception as error:  # its module may raise anything
        raise InvalidSnapshot(f"its process class {path!r} cannot be had here: {error}") from error
    _processes[path] = process
    return process
