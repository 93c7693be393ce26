"""Mounts put reducers under names and prefixes, and route each action to the mounts that get it.

Rules:
    1. ``"a.b"`` goes to the mounts with prefix ``a``, as ``"b"``, and to catch-alls, as ``"a.b"``; ``"a.b.c"`` to
       prefix ``a`` as ``"b.c"``; a type without a dot goes to all mounts, as it is.
    2. ``reducers=[names]`` bypasses the prefixes: these mounts, the type as it is.
    3. ``reducer_prefix=p`` keeps the mounts with that very prefix; a leading ``p.`` is stripped.
    4. Mounts reduce in the order of their declaration, each its own slice; if one raises, none is changed.
    5. A route is resolved once per type and kept; at most ``MAX_ROUTES`` are, since types may come from outside. One
       that has a single step is also kept in ``direct``.

Source: the Elixir library's ``combined_reducers/0`` and prefix routing. Differs: a mount's own prefix is stripped too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from .action import Action
from .errors import InvalidReducer, ReducerError
from .pacing import Pace, pace_of
from .reducer import UNMATCHED, EffectFunction, Handler, Reducer, check_prefix

MAX_ROUTES: Final = 1024


class Mount(NamedTuple):
    """A reducer under a name and an action prefix ("" = catch-all)."""

    name: str
    reducer: Reducer
    prefix: str


class Step(NamedTuple):
    """One mount's part of a route: the slice, who reduces it, the type it sees, and how often that may run."""

    name: str
    handle: Handler
    type: str
    pace: Pace | None


Route = tuple[Step, ...]
Direct = tuple[str, Handler, str]
"""The only step of a route, but for its pace: the slice, who reduces it, and the type it sees."""

Names = list[str] | tuple[str, ...]


class EffectStep(NamedTuple):
    """One mount's part in starting effects.

    Attributes:
        mount: The mount.
        function: What does the work, or None if the mount has nothing for this type.
        type: The local type.
        pace: How often it may run.
        failed: Reduces the failure of the effect, if the reducer has an ``@on("<type>.failed")`` method.
    """

    mount: Mount
    function: EffectFunction | None
    type: str
    pace: Pace | None
    failed: Route


Reduced = tuple[dict[str, Any], list[tuple[Action, Reducer, str]]]
"""What an action did: the slices that changed, by name; and the mounts that did not know the action, each with the
action as it saw it, its reducer and its slice's name."""


class Mounts:
    """The reducers of one process class.

    Args:
        specs: An iterable of ``R``, ``(name, R)`` or ``(name, R, prefix)``, or a mapping of name to ``R`` or
            ``(R, prefix)``. With a name and no prefix, the name is the prefix.

    Raises:
        InvalidReducer: An entry has another form, or two mounts have the same name.
    """

    __slots__ = ("_filtered", "_first", "_routes", "direct", "mounts", "names", "paced")

    def __init__(self, specs: Iterable[Any] | Mapping[str, Any]) -> None:
        self.mounts = tuple(_parse(spec) for spec in _entries(specs))
        self.names = frozenset(mount.name for mount in self.mounts)
        self._first = tuple((mount.name, mount.reducer.init_state) for mount in self.mounts)
        self.paced = any(mount.reducer.paced for mount in self.mounts)
        _check_unique(self.mounts)
        self.direct: dict[str, Direct] = {}
        self._routes: dict[str, Route] = {}
        self._filtered: dict[tuple[str, tuple[str, ...] | None, str | None], Route] = {}

    def init_state(self) -> dict[str, Any]:
        """Return the first slice of every mount, by name.

        Raises:
            InvalidReducer: A reducer's ``init_state`` returned None.
        """
        slices: dict[str, Any] = {}
        for name, init_state in self._first:
            value = slices[name] = init_state()
            if value is None:
                raise InvalidReducer(f"init_state of reducer {name!r} returned None: return the slice's first value")
        return slices

    def route(self, type_: str) -> Route:
        """Return the steps for actions of this type."""
        route = self._routes.get(type_)
        if route is None:
            route = tuple(_step(mount, local) for mount, local in self._targets(type_, None, None))
            _keep(self._routes, type_, route)
            if len(route) == 1:
                _keep(self.direct, type_, route[0][:3])
        return route

    def route_to(self, type_: str, reducers: Names | None, prefix: str | None) -> Route:
        """Return the steps for an action with explicit targets (rules 2 and 3)."""
        names = None if reducers is None else tuple(reducers)
        key = (type_, names, prefix)
        route = self._filtered.get(key)
        if route is None:
            route = tuple(_step(mount, local) for mount, local in self._targets(*key))
            _keep(self._filtered, key, route)
        return route

    def effects(self, type_: str, reducers: Names | None, prefix: str | None) -> tuple[EffectStep, ...]:
        """Return the mounts that an action of ``dispatch_async`` concerns, with what each of them does for it."""
        names = None if reducers is None else tuple(reducers)
        return tuple(_effect_step(mount, local) for mount, local in self._targets(type_, names, prefix))

    def _targets(self, type_: str, names: tuple[str, ...] | None, prefix: str | None) -> list[tuple[Mount, str]]:
        """Return the mounts that get an action, with the type that each sees (rules 1 to 3)."""
        if names is None and prefix is None:
            first, dot, rest = type_.partition(".")
            return [
                (mount, rest if dot and mount.prefix else type_)
                for mount in self.mounts
                if not dot or mount.prefix in ("", first)
            ]
        local = type_.removeprefix(f"{prefix}.") if prefix and names is None else type_
        return [
            (mount, local)
            for mount in self.mounts
            if (names is None or mount.name in names) and (prefix is None or mount.prefix == prefix)
        ]


def reduce(state: Mapping[str, Any], action: Action, route: Route) -> Reduced:
    """Return what the action makes of the state, leaving the state as it is.

    Raises:
        ReducerError: A reducer raised or returned None; ``__cause__`` has it.
    """
    changed: dict[str, Any] = {}
    unmatched: list[tuple[Action, Reducer, str]] = []
    for name, handle, type_, _ in route:
        local = action if type_ == action.type else Action(type_, action.payload, action.meta)
        before = state[name]
        try:
            after = handle(local, before)
            if after is None:
                raise TypeError("it returned None; return the next slice, or the same one for no change")
        except Exception as error:
            raise ReducerError(name, local, error) from error
        if after is UNMATCHED:
            unmatched.append((local, handle.__self__, name))  # type: ignore[attr-defined]
        elif after is not before:
            changed[name] = after
    return changed, unmatched


def _step(mount: Mount, type_: str) -> Step:
    return Step(mount.name, mount.reducer.handler(type_), type_, mount.reducer.pace(type_))


def _effect_step(mount: Mount, type_: str) -> EffectStep:
    function, failure = mount.reducer.effect(type_), f"{type_}.failed"
    failed = (_step(mount, failure),) if mount.reducer.handles(failure) else ()
    return EffectStep(mount, function, type_, None if function is None else pace_of(function), failed)


def _keep(routes: dict[Any, Any], key: Any, route: Any) -> None:
    if len(routes) < MAX_ROUTES:
        routes[key] = route


def _entries(specs: Iterable[Any] | Mapping[str, Any]) -> list[Any]:
    if isinstance(specs, Mapping):
        return [(name, *(spec if isinstance(spec, tuple) else (spec,))) for name, spec in specs.items()]
    if isinstance(specs, str | bytes) or not isinstance(specs, Iterable):
        raise InvalidReducer(f"reducers is {specs!r}: it must be a list of reducers, or a mapping of name to reducer")
    return list(specs)


def _parse(spec: Any) -> Mount:
    match spec:
        case type() if issubclass(spec, Reducer) and hasattr(spec, "name") and hasattr(spec, "action_prefix"):
            return Mount(spec.name, spec(), spec.action_prefix or "")
        case (str(name), type() as reducer) if issubclass(reducer, Reducer):
            return _named(name, reducer, name)
        case (str(name), type() as reducer, prefix) if issubclass(reducer, Reducer):
            return _named(name, reducer, prefix)
    raise InvalidReducer(
        f"cannot mount {spec!r}: an entry of reducers is a Reducer class, (name, Reducer) or (name, Reducer, prefix)"
    )


def _named(name: str, reducer: type[Reducer], prefix: str | None) -> Mount:
    if not name.isidentifier():
        raise InvalidReducer(f"cannot mount {reducer.__qualname__} as {name!r}: the name must be an identifier")
    check_prefix(f"mount {name!r}", prefix)
    return Mount(name, reducer(), prefix or "")


def _check_unique(mounts: tuple[Mount, ...]) -> None:
    seen: dict[str, Mount] = {}
    for mount in mounts:
        first = seen.setdefault(mount.name, mount)
        if first is not mount:
            raise InvalidReducer(
                f"two reducers are mounted as {mount.name!r}: {type(first.reducer).__qualname__} and "
                f"{type(mount.reducer).__qualname__}; mount one as ('another_name', {type(mount.reducer).__qualname__})"
            )
