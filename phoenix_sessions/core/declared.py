"""What the methods of a reducer class declare: ``@on`` for reducing, ``@effect`` for work.

Rules:
    1. Decorators only mark; the class is read once, when it is made.
    2. A method that a subclass overrides loses its old marks: it says anew what it is for.
    3. One local type has one method of each kind.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .errors import InvalidReducer
from .pacing import pace_of

F = TypeVar("F", bound=Callable[..., Any])

_ON: Final = "_phoenix_sessions_on"
_EFFECT: Final = "_phoenix_sessions_effect"
_REDUCING: Final = ("init_state", "handle_action", "handle_unmatched_action")
_CALLBACKS: Final = (*_REDUCING, "handle_async", "handle_unmatched_async")


def on(*types: str) -> Callable[[F], F]:
    """Make a method the handler of these local action types.

    Raises:
        InvalidReducer: A type is no non-empty str.
    """
    return _marker("on", _ON, types)


def effect(*types: str) -> Callable[[F], F]:
    """Make a method, ``def`` or ``async def``, the work that ``dispatch_async`` starts for these local types.

    A plain function runs on a worker thread, a coroutine function on the background loop. It gets
    ``(action, dispatch, slice)``.

    Raises:
        InvalidReducer: A type is no non-empty str.
    """
    return _marker("effect", _EFFECT, types)


def _marker(name: str, mark: str, types: tuple[str, ...]) -> Callable[[F], F]:
    if not types or not all(isinstance(type_, str) and type_ for type_ in types):
        raise InvalidReducer(f"@{name}{types!r}: it takes one or more action types, such as @{name}('add')")

    def decorate(method: F) -> F:
        setattr(method, mark, (*getattr(method, mark, ()), *types))
        return method

    return decorate


def check_declarations(cls: type) -> None:
    """Check what the methods of a class declare.

    Raises:
        InvalidReducer: Reducing needs a plain function, effects no generator; a pace needs something to pace.
    """
    resolved = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
    for attribute, method in resolved.items():
        reduces, works = hasattr(method, _ON), hasattr(method, _EFFECT)
        if inspect.iscoroutinefunction(method) and (reduces or attribute in _REDUCING):
            raise InvalidReducer(
                f"{cls.__qualname__}.{attribute} is a coroutine function: reducers are pure and wait for nothing; "
                f"make it a plain def, and do what has to wait in an @effect"
            )
        generates = inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)
        if generates and (reduces or works or attribute in _CALLBACKS):
            raise InvalidReducer(
                f"{cls.__qualname__}.{attribute} is a generator function, of which nothing would run: take the yield "
                f"out; an effect tells what it has by dispatching"
            )
        if reduces and works:
            raise InvalidReducer(
                f"{cls.__qualname__}.{attribute} is marked by @on and by @effect, which take other arguments: make it "
                f"two methods"
            )
        if pace_of(method) is not None and not (reduces or works):
            raise InvalidReducer(
                f"{cls.__qualname__}.{attribute} is throttled or debounced, but no @on or @effect says for which action"
            )


def collect_handlers(cls: type) -> dict[str, str]:
    """Return the names of a class's ``@on`` methods, by local type.

    Raises:
        InvalidReducer: Two methods are for the same type.
    """
    return _collect(cls, _ON)


def collect_effects(cls: type) -> dict[str, str]:
    """Return the names of a class's ``@effect`` methods, by local type.

    Raises:
        InvalidReducer: Two methods are for the same type.
    """
    return _collect(cls, _EFFECT)


def _collect(cls: type, mark: str) -> dict[str, str]:
    methods: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        own: dict[str, str] = {}
        for attribute, value in vars(base).items():
            for type_ in getattr(value, mark, ()):
                if own.setdefault(type_, attribute) != attribute:
                    raise InvalidReducer(
                        f"reducer {cls.__qualname__} handles {type_!r} twice, in {own[type_]} and in {attribute}; "
                        f"keep one"
                    )
        methods = {type_: name for type_, name in methods.items() if name not in vars(base)} | own
    return methods
