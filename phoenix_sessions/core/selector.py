"""A selector picks a value out of the state.

Rules:
    1. ``None`` picks the whole state; a dotted path such as ``"cart.items"`` is followed; anything callable is called
        with the state, and a created selector (see ``memoised``) only computes what has changed.
    2. A path, and a selector created from paths, depends on known slices, so it need not be evaluated while those are
        the same objects.
    3. Whatever goes wrong in a selector is a SelectorError.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .errors import SelectorError
from .memoised import CreatedSelector, Memo
from .paths import follow, is_path, slice_of, walk

Selector = str | Callable[[Any], Any] | None

ANY_SLICE: tuple[None] = (None,)


def slices_of(selector: Selector) -> frozenset[str] | tuple[None]:
    """Return the slices that the selector depends on; (None,) if it may be any."""
    if isinstance(selector, str):
        return frozenset({slice_of(selector)})
    slices = selector.slices if isinstance(selector, CreatedSelector) else None
    return ANY_SLICE if slices is None else slices


def check_selector(selector: object) -> None:
    """Check that this is a selector.

    Raises:
        SelectorError: It is neither None, a non-empty dotted path nor callable.
    """
    if selector is not None and not callable(selector) and not is_path(selector):
        raise SelectorError(
            selector, TypeError("a selector is None, a dotted path such as 'cart.items', or a function of the state")
        )


def select(selector: Selector, state: Any, memo: Memo | None = None) -> Any:
    """Return what the selector picks out of the state.

    Args:
        selector: The selector.
        state: The state.
        memo: Where created selectors find the last results of this session.

    Raises:
        SelectorError: It raised, or its path leads nowhere.
    """
    try:
        if selector is None:
            return state
        if isinstance(selector, str):
            return follow(selector, state)
        if isinstance(selector, CreatedSelector):
            return selector.evaluate(state, memo)
        return selector(state)
    except Exception as error:
        raise SelectorError(selector, error) from error


def picker(selector: Selector, memo: Memo | None) -> Callable[[Any], Any]:
    """Return a function of the state that picks what the selector does; it raises whatever goes wrong."""
    if selector is None:
        return _whole
    if isinstance(selector, str):
        return functools.partial(walk, selector.split("."))
    if isinstance(selector, CreatedSelector):
        return functools.partial(selector.evaluate, memo=memo)
    return selector


def _whole(state: Any) -> Any:
    return state


def returns_new_object(selector: Callable[[Any], Any], state: Any) -> bool:
    """Return whether a selector returns another object each time that it is called with the same state."""
    if isinstance(selector, CreatedSelector):
        return False
    try:
        first, second = selector(state), selector(state)
    except Exception:
        return False  # whoever subscribes is told of that
    return first is not second and not isinstance(first, bool | int | float | str | bytes)
