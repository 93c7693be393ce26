"""Memoised selectors: computed again only when what they are computed from has changed.

Rules:
    1. A created selector has inputs (paths, functions of the state, other created selectors) and a function that
       combines their values. While every input is the same object, or an equal scalar, the last result is returned.
    2. The cache holds one result for each session and life, so that sessions which share a selector do not push out
       each other's. Called by itself, outside of a session, a selector has one cache of its own.
    3. A selector whose inputs all begin with paths depends on their slices alone.
    4. What raises is not cached.
    5. However selectors are composed, each is asked once in an evaluation, in a loop rather than by recursion.

Source: reselect's ``createSelector``. Differs: the cache is the session's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, overload

from .errors import SelectorError
from .paths import follow, is_path, slice_of

T = TypeVar("T")
Input = str | Callable[[Any], Any]
Observer = Callable[["CreatedSelector[Any]", bool], None]

MEMO_LIMIT: Final = 64
_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})


class Memo:
    """The last results of one life of a session, at most ``MEMO_LIMIT``; the least recently used goes first.

    Args:
        observe: Called with each selector that is asked, and whether its last result was good.
    """

    __slots__ = ("_observe", "_results")

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._results: dict[CreatedSelector[Any], tuple[tuple[Any, ...], Any]] | None = None

    def __len__(self) -> int:
        return len(self._results or ())

    def clear(self) -> None:
        """Forget all, because a new life begins."""
        self._results = None

    def get(self, selector: CreatedSelector[T], inputs: tuple[Any, ...]) -> T:
        """Return the last result for these inputs, or a new one."""
        results = self._results if self._results is not None else {}
        self._results = results
        known = results.pop(selector, None)
        hit = known is not None and _same(known[0], inputs)
        self._observe(selector, hit)
        if known is None or not hit:
            known = inputs, selector.compute(inputs)
            if len(results) >= MEMO_LIMIT:
                del results[next(iter(results))]
        results[selector] = known
        value: T = known[1]
        return value


class CreatedSelector(Generic[T]):
    """What ``create_selector`` returns; call it with a state, or give it wherever a selector is taken.

    Attributes:
        slices: The slices that it depends on; None = it may be any.
        recomputations: How many times the result was computed, over all sessions (count).
    """

    __slots__ = ("__name__", "__weakref__", "_before", "_combine", "_inputs", "_last", "recomputations", "slices")

    def __init__(self, inputs: tuple[Input, ...], combine: Callable[..., T]) -> None:
        self.__name__ = getattr(combine, "__name__", type(combine).__name__)
        self._inputs = inputs
        self._combine = combine
        created = [each for each in inputs if isinstance(each, CreatedSelector)]
        before = dict.fromkeys(each for one in created for each in (*one._before, one))
        self._before: tuple[CreatedSelector[Any], ...] = tuple(before)
        self._last: tuple[tuple[Any, ...], T] | None = None
        self.recomputations = 0
        self.slices = _slices(inputs)

    def __repr__(self) -> str:
        return f"<selector {self.__name__}>"

    def __call__(self, state: Any) -> T:
        """Return the result for this state, from a cache of one."""
        return self.evaluate(state, None)

    def evaluate(self, state: Any, memo: Memo | None) -> T:
        """Return the result for this state, from a session's memo or the selector's own cache."""
        values: dict[CreatedSelector[Any], Any] = {}
        for each in self._before:
            values[each] = each._result(state, memo, values)
        return self._result(state, memo, values)

    def _result(self, state: Any, memo: Memo | None, values: Mapping[CreatedSelector[Any], Any]) -> T:
        inputs = tuple(_value(each, state, values) for each in self._inputs)
        if memo is not None:
            return memo.get(self, inputs)
        last = self._last
        if last is None or not _same(last[0], inputs):
            last = self._last = inputs, self.compute(inputs)
        return last[1]

    def compute(self, inputs: tuple[Any, ...]) -> T:
        """Combine the values of the inputs, and count it."""
        self.recomputations += 1  # no thread can come between: CPython switches at calls and jumps only
        return self._combine(*inputs)


@overload
def create_selector(inputs: Sequence[Input], combine: Callable[..., T], /) -> CreatedSelector[T]: ...
@overload
def create_selector(first: Input, combine: Callable[..., T], /) -> CreatedSelector[T]: ...
@overload
def create_selector(first: Input, second: Input, combine: Callable[..., T], /) -> CreatedSelector[T]: ...
@overload
def create_selector(first: Input, second: Input, third: Input, combine: Callable[..., T], /) -> CreatedSelector[T]: ...
@overload
def create_selector(
    first: Input, second: Input, third: Input, fourth: Input, combine: Callable[..., T], /
) -> CreatedSelector[T]: ...
@overload
def create_selector(
    first: Input, second: Input, third: Input, fourth: Input, fifth: Input, combine: Callable[..., T], /
) -> CreatedSelector[T]: ...
def create_selector(*parts: Any) -> CreatedSelector[Any]:
    """Return a memoised selector.

    Args:
        *parts: The inputs, one by one (type checkers know up to five) or as one list, and last the function that
            combines their values. An input is a dotted path, a function of the state, or another created selector.

    Raises:
        SelectorError: An input is none of these, there is none, or the last part is no function.
    """
    *first, combine = parts or (None,)
    inputs = tuple(first[0]) if len(first) == 1 and isinstance(first[0], list | tuple) else tuple(first)
    if not inputs or not all(callable(each) or is_path(each) for each in inputs) or not callable(combine):
        rule = "it takes inputs (dotted paths, functions of the state, selectors) and, last, a function of their values"
        raise SelectorError(parts, TypeError(rule))
    return CreatedSelector(inputs, combine)


def _slices(inputs: tuple[Input, ...]) -> frozenset[str] | None:
    slices: set[str] = set()
    for each in inputs:
        if isinstance(each, str):
            slices.add(slice_of(each))
        elif isinstance(each, CreatedSelector) and each.slices is not None:
            slices |= each.slices
        else:
            return None
    return frozenset(slices)


def _value(each: Input, state: Any, values: Mapping[CreatedSelector[Any], Any]) -> Any:
    if isinstance(each, str):
        return follow(each, state)
    return values[each] if isinstance(each, CreatedSelector) else each(state)


def _same(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    return all(
        a is b or (type(a) is type(b) and type(a) in _SCALARS and a == b) for a, b in zip(before, after, strict=True)
    )
