"""An action says what happened: a type, a payload, and facts about it.

Rules:
    1. The type is a non-empty ``str``. Its part before the first dot routes it (see ``mounts``).
    2. The payload is anything; reducers treat it as read-only.
    3. ``meta`` is a mapping of facts that are not payload (who, when, request id).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from .errors import InvalidAction

NO_META: Final[Mapping[str, Any]] = MappingProxyType({})


class Action(msgspec.Struct, frozen=True):
    """What reducers get.

    Attributes:
        type: What happened; in a reducer the local type, without the mount's prefix.
        payload: What it happened with.
        meta: Facts about the action, read-only.

    Source: Redux "Flux standard action"; the Elixir library's ``Action`` struct.
    """

    type: str
    payload: Any = None
    meta: Mapping[str, Any] = NO_META


def check_action(type: object, meta: object) -> None:
    """Check what ``dispatch`` was given.

    Raises:
        InvalidAction: The type is no non-empty str, or meta is no mapping.
    """
    if not isinstance(type, str) or not type:
        raise InvalidAction(f"the action type is {type!r}: it must be a non-empty str such as 'cart.add'")
    if meta is not None and not isinstance(meta, Mapping):
        raise InvalidAction(f"the meta of action {type!r} is {meta!r}: it must be a mapping or None")


def make_action(type: str, payload: Any, meta: Mapping[str, Any] | None) -> Action:
    """Return the action that ``dispatch`` was given.

    Raises:
        InvalidAction: As ``check_action``.
    """
    check_action(type, meta)
    return Action(type, payload, NO_META if meta is None else meta)


def check_routing(type: str, reducers: object, prefix: object) -> None:
    """Check the explicit routing of an action.

    Raises:
        InvalidAction: ``reducers`` is no list or tuple of slice names, or ``prefix`` no str.
    """
    if reducers is not None and not (
        isinstance(reducers, list | tuple) and all(isinstance(name, str) for name in reducers)
    ):
        raise InvalidAction(f"reducers= of action {type!r} is {reducers!r}: it must be a list of slice names")
    if prefix is not None and not isinstance(prefix, str):
        raise InvalidAction(f"reducer_prefix= of action {type!r} is {prefix!r}: it must be a str")
