"""Which of a reducer's methods an action finds, and which classes cannot be reducers."""

import pytest

from phoenix_sessions import Action, InvalidReducer, Reducer, effect, on
from phoenix_sessions.core.reducer import UNMATCHED


def reduce(reducer, type_, state=(), payload=None):
    return reducer.handler(type_)(Action(type_, payload), state)


class Decorated(Reducer):
    name = "decorated"

    @on("add", "push")
    def add(self, action, state):
        return (*state, action.payload)

    @on("pop")
    @on("drop")
    def pop(self, action, state):
        return state[:-1]

    def handle_action(self, action, state):
        match action:
            case Action(type="clear"):
                return ()
            case Action(type="set", payload=tuple(items)):
                return items
        return None


@pytest.mark.parametrize(("type_", "after"), [("add", (1, 2)), ("push", (1, 2)), ("pop", ()), ("drop", ())])
def test_an_on_method_handles_each_of_its_types(type_, after):
    assert reduce(Decorated(), type_, (1,), 2) == after


def test_handle_action_gets_what_no_on_method_knows():
    assert reduce(Decorated(), "clear", (1,)) == ()
    assert reduce(Decorated(), "set", (1,), (7, 8)) == (7, 8)


def test_none_from_handle_action_means_not_mine():
    assert reduce(Decorated(), "set", (1,), "no tuple") is UNMATCHED
    assert reduce(Decorated(), "unknown", (1,)) is UNMATCHED


def test_handle_unmatched_action_comes_last():
    class Last(Decorated):
        name = "last"

        def handle_unmatched_action(self, action, state):
            return ("unmatched", action.type)

    assert reduce(Last(), "unknown") == ("unmatched", "unknown")
    assert reduce(Last(), "clear", (1,)) == ()
    assert reduce(Last(), "add", (), 1) == (1,)


def test_a_subclass_inherits_and_overrides_handlers():
    class More(Decorated):
        name = "more"

        @on("shift")
        def shift(self, action, state):
            return state[1:]

        @on("add")
        def add(self, action, state):
            return (action.payload, *state)

    assert reduce(More(), "shift", (1, 2)) == (2,)
    assert reduce(More(), "add", (1,), 2) == (2, 1)
    assert reduce(More(), "push", (1,), 2) is UNMATCHED  # the method that had it is another now
    assert reduce(More(), "pop", (1, 2)) == (1,)
    assert reduce(Decorated(), "add", (1,), 2) == (1, 2)


def test_a_subclass_may_take_a_type_over():
    class Other(Decorated):
        name = "other"

        @on("add")
        def insert(self, action, state):
            return (action.payload, *state)

    assert reduce(Other(), "add", (1,), 2) == (2, 1)
    assert reduce(Other(), "push", (1,), 2) == (1, 2)


def test_the_prefix_defaults_to_the_name():
    assert Decorated.action_prefix == "decorated"


def test_a_subclass_with_a_name_of_its_own_has_its_own_prefix():
    class Renamed(Decorated):
        name = "renamed"

    assert Renamed.action_prefix == "renamed"


def test_an_abstract_base_needs_no_name_and_gives_its_prefix_on():
    class Base(Reducer, abstract=True):
        @on("add")
        def add(self, action, state):
            return (*state, action.payload)

    class Concrete(Base):
        name = "concrete"

    assert reduce(Concrete(), "add", (), 1) == (1,)
    assert Concrete.action_prefix == "concrete"


@pytest.mark.parametrize("name", [None, "", "my cart", "a.b", "1st", 5, b"cart"])
def test_a_wrong_name_is_found_when_the_class_is_made(name):
    with pytest.raises(InvalidReducer, match="identifier"):
        type("Wrong", (Reducer,), {"name": name})


def test_a_missing_name_is_found_when_the_class_is_made():
    with pytest.raises(InvalidReducer, match="Nameless"):

        class Nameless(Reducer):
            pass


@pytest.mark.parametrize("prefix", [5, b"cart", "a.b", "."])
def test_a_wrong_prefix_is_found_when_the_class_is_made(prefix):
    with pytest.raises(InvalidReducer, match="action prefix"):
        type("Wrong", (Reducer,), {"name": "wrong", "action_prefix": prefix})


def test_two_handlers_of_one_type_are_found_when_the_class_is_made():
    with pytest.raises(InvalidReducer, match=r"'add' twice, in first and in second"):

        class Twice(Reducer):
            name = "twice"

            @on("add")
            def first(self, action, state):
                return state

            @on("add")
            def second(self, action, state):
                return state


@pytest.mark.parametrize("types", [(), ("",), (None,), (b"add",), ("add", 5), (["add"],)])
def test_on_takes_types(types):
    with pytest.raises(InvalidReducer, match="@on"):
        on(*types)


def test_on_without_parentheses_is_found():
    with pytest.raises(InvalidReducer):

        class Bare(Reducer):
            name = "bare"

            @on
            def add(self, action, state):
                return state


@pytest.mark.parametrize("mark", [on, effect])
def test_a_generator_is_found_when_the_class_is_made(mark):
    with pytest.raises(InvalidReducer, match=r"Yielding\.go is a generator"):

        class Yielding(Reducer):
            name = "yielding"

            @mark("go")
            def go(self, *args):
                yield


def test_an_async_generator_is_found_when_the_class_is_made():
    with pytest.raises(InvalidReducer, match="is a generator"):

        class Yielding(Reducer):
            name = "yielding"

            async def handle_async(self, action, dispatch, state):
                yield
