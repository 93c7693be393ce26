"""What the decorators declare, and what is refused when a class is made."""

import functools

import pytest

from phoenix_sessions import InvalidReducer, Reducer, debounce, effect, on
from phoenix_sessions.core.declared import collect_effects, collect_handlers


def reducer(**methods):
    return type("Cart", (Reducer,), {"name": "cart", **methods})


@pytest.mark.parametrize("types", [(), ("",), (None,), (5,), ("add", ""), (["add"],), (b"add",)], ids=repr)
@pytest.mark.parametrize("decorator", [on, effect])
def test_types_are_non_empty_text(decorator, types):
    with pytest.raises(InvalidReducer, match=f"@{decorator.__name__}"):
        decorator(*types)


@pytest.mark.parametrize("decorator", [on, effect])
def test_a_decorator_used_without_types_is_refused(decorator):
    with pytest.raises(InvalidReducer, match="takes one or more action types"):

        @decorator
        def add(self, action, state):
            return state


@pytest.mark.parametrize("collect", [collect_handlers, collect_effects])
def test_types_come_from_one_or_from_several_decorators(collect):
    decorator = {collect_handlers: on, collect_effects: effect}[collect]

    class Cart(Reducer):
        name = "cart"

        @decorator("a", "b")
        @decorator("c")
        def several(self, *args):
            return None

    assert collect(Cart) == {"a": "several", "b": "several", "c": "several"}


@pytest.mark.parametrize("decorator", [on, effect])
def test_two_methods_for_one_type_are_refused(decorator):
    def first(self, *args):
        return None

    def second(self, *args):
        return None

    with pytest.raises(InvalidReducer, match="'add' twice, in first and in second"):
        reducer(first=decorator("add")(first), second=decorator("add")(second))


def test_one_method_may_say_a_type_twice():
    def add(self, action, state):
        return state

    assert collect_handlers(reducer(add=on("add", "add")(add))) == {"add": "add"}


def test_one_type_may_have_a_handler_and_an_effect():
    class Cart(Reducer):
        name = "cart"

        @on("load")
        def loading(self, action, state):
            return state

        @effect("load")
        def load(self, action, dispatch, state):
            return None

    assert (collect_handlers(Cart), collect_effects(Cart)) == ({"load": "loading"}, {"load": "load"})


class Base(Reducer, abstract=True):
    @on("add")
    def add(self, action, state):
        return state

    @on("remove")
    def remove(self, action, state):
        return state

    @effect("load")
    def load(self, action, dispatch, state):
        return None


def test_marks_are_inherited():
    made = type("Cart", (Base,), {"name": "cart"})
    assert collect_handlers(made) == {"add": "add", "remove": "remove"}
    assert collect_effects(made) == {"load": "load"}


def test_an_overriding_method_loses_the_marks():
    class Cart(Base):
        name = "cart"

        def add(self, action, state):
            return state

        @on("drop")
        def remove(self, action, state):
            return state

        load = None

    assert collect_handlers(Cart) == {"drop": "remove"}
    assert collect_effects(Cart) == {}


def test_a_subclass_takes_over_a_type_with_another_method():
    class Cart(Base):
        name = "cart"

        @on("add")
        def insert(self, action, state):
            return state

    assert collect_handlers(Cart)["add"] == "insert"


def test_wrapping_keeps_the_marks():
    def add(self, action, state):
        return state

    marked = on("add")(add)
    wrapped = functools.wraps(marked)(lambda *args: marked(*args))
    assert collect_handlers(reducer(add=wrapped)) == {"add": "add"}


def fresh(function):
    """Return a copy of a function, so that no test marks another's."""
    return type(function)(function.__code__, function.__globals__, function.__name__)


async def coroutine(self, *args):
    return args[-1]


def generator(self, *args):
    yield args[-1]


async def async_generator(self, *args):
    yield args[-1]


def plain(self, *args):
    return args[-1]


@pytest.mark.parametrize(
    "methods",
    [
        {"add": on("add")(fresh(coroutine))},
        {"init_state": coroutine},
        {"handle_action": coroutine},
        {"handle_unmatched_action": coroutine},
    ],
    ids=lambda methods: next(iter(methods)),
)
def test_reducing_is_no_coroutine_function(methods):
    with pytest.raises(InvalidReducer, match="coroutine function"):
        reducer(**methods)


@pytest.mark.parametrize("function", [generator, async_generator])
@pytest.mark.parametrize(
    "name", ["init_state", "handle_action", "handle_unmatched_action", "handle_async", "handle_unmatched_async"]
)
def test_a_callback_is_no_generator(name, function):
    with pytest.raises(InvalidReducer, match="generator function"):
        reducer(**{name: function})


@pytest.mark.parametrize("function", [generator, async_generator])
@pytest.mark.parametrize("decorator", [on, effect])
def test_a_marked_method_is_no_generator(decorator, function):
    with pytest.raises(InvalidReducer, match="generator function"):
        reducer(add=decorator("add")(fresh(function)))


def test_other_methods_may_be_what_they_like():
    made = reducer(fetch=coroutine, each=generator, stream=async_generator)
    assert collect_handlers(made) == collect_effects(made) == {}


def test_effects_may_be_coroutine_functions():
    made = reducer(load=effect("load")(fresh(coroutine)), handle_async=coroutine, handle_unmatched_async=coroutine)
    assert collect_effects(made) == {"load": "load"}


def test_a_method_does_not_reduce_and_work():
    with pytest.raises(InvalidReducer, match="make it two methods"):
        reducer(add=on("add")(effect("add")(fresh(plain))))


def test_a_pace_needs_an_action():
    with pytest.raises(InvalidReducer, match="no @on or @effect"):
        reducer(add=debounce(1)(fresh(plain)))


def test_what_a_class_has_overridden_is_not_judged():
    class Waiting:
        async def handle_action(self, action, state):
            return state

    class Plain(Waiting, Reducer):
        name = "plain"

        def handle_action(self, action, state):
            return state

    assert Plain().handle_action(None, 1) == 1
