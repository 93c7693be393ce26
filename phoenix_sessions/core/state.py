"""The state of a session: a read-only mapping of slice name to slice.

Rules:
    1. A state is never changed; a commit makes a new one that shares every unchanged slice.
    2. ``state["cart"]`` and ``state.cart`` are the same (a slice named like a dict method needs the brackets).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn, Self, TypeGuard


class State(dict[str, Any]):
    """A read-only mapping of slice name to slice, also readable by attribute.

    It is a ``dict`` so that templates, ``json`` and ``match`` take it as it is; every method that would change
    it raises TypeError. Use ``{**state, "key": value}`` to build a new one.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the state has no slice {name!r}; it has {', '.join(self) or 'none'}") from None

    def _read_only(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("the state is read-only: dispatch an action, or return a new mapping from the handler")

    __setitem__ = __delitem__ = __setattr__ = __delattr__ = _read_only
    clear = pop = popitem = setdefault = update = __ior__ = _read_only

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[type[State], tuple[dict[str, Any]]]:
        return State, (dict(self),)

    def replace(self, slices: Mapping[str, Any]) -> State:
        """Return a state with these slices in place of the ones it has."""
        state = State(self)
        dict.update(state, slices)
        return state


EMPTY = State()


def is_state(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether this can be a state: a mapping with str keys."""
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


class Gone:
    """The type of ``GONE``."""

    def __repr__(self) -> str:
        return "GONE"


GONE: Final = Gone()
"""Stands for the value of a key that a change has taken out of the state."""


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys whose value is another object after, with that value or GONE."""
    changed = {key: value for key, value in after.items() if value is not before.get(key, GONE)}
    return changed | {key: GONE for key in before if key not in after}


def patch(state: dict[str, Any], changed: Mapping[str, Any]) -> None:
    """Put what ``differences`` found into a plain dict."""
    for key, value in changed.items():
        if value is GONE:
            state.pop(key, None)
        else:
            state[key] = value
