"""A reducer owns one slice of the state: it says what each action makes of it, and what work an action starts.

Rules:
    1. Reducing is pure: handlers take ``(action, slice)`` and return the next slice; the same object means
       "nothing changed". A slice is never ``None``, so that a forgotten ``return`` is found.
    2. Effects are not: they take ``(action, dispatch, slice)``, may wait, and change state only by dispatching.
    3. Classes are checked when they are made, not when they are used.
    4. An action finds its handler in this order: the ``@on`` method of its local type, ``handle_action`` (where
       ``None`` means "not mine"), ``handle_unmatched_action``. Its effect: the ``@effect`` method, ``handle_async``,
       ``handle_unmatched_async``, whichever of them there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from .action import Action
from .declared import check_declarations, collect_effects, collect_handlers
from .errors import InvalidReducer
from .pacing import Pace, pace_of

Handler = Callable[[Action, Any], Any]
EffectFunction = Callable[[Action, Any, Any], Any]


class Unmatched:
    """The type of ``UNMATCHED``."""

    def __repr__(self) -> str:
        return "UNMATCHED"


UNMATCHED: Final = Unmatched()
"""What a reducer returns for an action that it does not know; its slice stays."""


class Reducer:
    """Subclass it, name the slice, and say what actions do to it.

    Attributes:
        name: The slice's name, an identifier.
        action_prefix: Actions ``"<prefix>.<local>"`` come here as ``"<local>"``. Default: the name. None or "": every
            action comes here, with its full type.
        state_type: The type of the slice, if it is not plain data: snapshots restore it by ``msgspec.convert``.

    A subclass that is only a base of others is declared ``class Base(Reducer, abstract=True)``.

    Raises:
        InvalidReducer: When the class is made: name missing or no identifier, prefix no str, two handlers of one type.

    Source: the Elixir library's ``use Reducer``; Redux reducers. Differs: the class is checked when made.
    """

    name: ClassVar[str]
    action_prefix: ClassVar[str | None]
    state_type: ClassVar[Any] = None
    _handlers: ClassVar[dict[str, str]] = {}
    _effects: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_declarations(cls)
        cls._handlers = collect_handlers(cls)
        cls._effects = collect_effects(cls)
        if not abstract:
            _check_name(cls)
            if "action_prefix" not in cls.__dict__ and ("name" in cls.__dict__ or not hasattr(cls, "action_prefix")):
                cls.action_prefix = cls.name
            check_prefix(cls.__qualname__, cls.action_prefix)

    def init_state(self) -> Any:
        """Return the slice that a session starts with; an empty dict if not overridden."""
        return {}

    def handle_action(self, action: Action, state: Any) -> Any:
        """Return the next slice, or None for an action that is not this reducer's (good with ``match``)."""
        return None

    def handle_unmatched_action(self, action: Action, state: Any) -> Any:
        """Return the next slice for an action that nothing matched.

        Not overridden, the ``UNMATCHED_ACTION_HANDLER`` setting decides and the slice stays.
        """
        return UNMATCHED

    def handle_async(self, action: Action, dispatch: Any, state: Any) -> Any:
        """Do the work that an action of ``dispatch_async`` starts; ``def`` (on a worker thread) or ``async def``.

        May return a function, which is called once when the effect is cancelled or the session's life ends.
        """
        return None

    def handle_unmatched_async(self, action: Action, dispatch: Any, state: Any) -> Any:
        """Do the work for actions of ``dispatch_async`` that no ``@effect`` method is there for.

        Not overridden, the ``UNMATCHED_ACTION_HANDLER`` setting decides.
        """
        return None

    def handler(self, type_: str) -> Handler:
        """Return the function that reduces actions of this local type; resolved once, then kept by the mounts."""
        method = self._handlers.get(type_)
        return self._reduce_otherwise if method is None else getattr(self, method)

    @property
    def paced(self) -> bool:
        """Whether any of its actions is throttled or debounced."""
        return any(pace_of(getattr(self, method)) for method in self._handlers.values())

    def pace(self, type_: str) -> Pace | None:
        """Return how often actions of this local type may run, None = always."""
        method = self._handlers.get(type_)
        return None if method is None else pace_of(getattr(self, method))

    def handles(self, type_: str) -> bool:
        """Return whether an ``@on`` method is there for this local type."""
        return type_ in self._handlers

    def effect(self, type_: str) -> EffectFunction | None:
        """Return the function that does the work of this local type, or None if there is none."""
        for name in (self._effects.get(type_), "handle_async", "handle_unmatched_async"):
            if name is not None and getattr(type(self), name) is not getattr(Reducer, name, None):
                function: EffectFunction = getattr(self, name)
                return function
        return None

    def _reduce_otherwise(self, action: Action, state: Any) -> Any:
        after = self.handle_action(action, state)
        return self.handle_unmatched_action(action, state) if after is None else after


def _check_name(cls: type[Reducer]) -> None:
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidReducer(
            f"reducer {cls.__qualname__} has the name {name!r}: set name = '...' to an identifier such as 'cart' "
            f"(a base class without a slice of its own is declared with abstract=True)"
        )


def check_prefix(where: str, prefix: object) -> None:
    """Check an action prefix.

    Raises:
        InvalidReducer: It is neither None nor a str without a dot.
    """
    if prefix is not None and (not isinstance(prefix, str) or "." in prefix):
        raise InvalidReducer(
            f"{where} has the action prefix {prefix!r}: it must be a str without a dot such as 'cart', or None or '' "
            f"to get every action"
        )
