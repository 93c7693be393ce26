"""Where actions go, and what the reducers there see."""

import pytest

from phoenix_sessions import Action, InvalidReducer, Reducer, ReducerError, effect, on
from phoenix_sessions.core.mounts import MAX_ROUTES, Mounts, reduce


class Cart(Reducer):
    """Records the types that it sees."""

    name = "cart"

    def init_state(self):
        return ()

    def handle_action(self, action, state):
        return (*state, action.type)


class Ship(Cart):
    name = "ship"
    action_prefix = "shipping"


class Log(Cart):
    name = "log"
    action_prefix = None


class Audit(Cart):
    name = "audit"
    action_prefix = ""


ALL = [Cart, ("guest_cart", Cart), ("express", Ship, "cart"), Ship, Log, Audit]


def seen(type_, mounts=ALL, *, reducers=None, prefix=None):
    """Return the type that each mount saw, for those that saw the action."""
    mounts = Mounts(mounts)
    explicit = reducers is not None or prefix is not None
    route = mounts.route_to(type_, reducers, prefix) if explicit else mounts.route(type_)
    changed = reduce(mounts.init_state(), Action(type_), route)[0]
    return {name: types[0] for name, types in changed.items()}


def test_a_dotted_type_goes_to_its_prefix_stripped_and_to_catch_alls_as_it_is():
    assert seen("cart.add") == {"cart": "add", "express": "add", "log": "cart.add", "audit": "cart.add"}


def test_only_the_first_part_is_stripped():
    assert seen("cart.item.add") == {
        "cart": "item.add",
        "express": "item.add",
        "log": "cart.item.add",
        "audit": "cart.item.add",
    }


def test_a_mount_with_a_name_has_it_as_its_prefix():
    assert seen("guest_cart.add", [Cart, ("guest_cart", Cart)]) == {"guest_cart": "add"}


def test_the_prefix_of_the_class_counts_not_its_name():
    assert seen("shipping.send", [Ship]) == {"ship": "send"}
    assert seen("ship.send", [Ship]) == {}


def test_a_type_without_a_dot_goes_to_all():
    assert seen("reset") == dict.fromkeys(["cart", "guest_cart", "express", "ship", "log", "audit"], "reset")


def test_an_unknown_prefix_reaches_only_catch_alls():
    assert seen("nobody.knows") == {"log": "nobody.knows", "audit": "nobody.knows"}
    assert seen("nobody.knows", [Cart]) == {}


@pytest.mark.parametrize("prefix", [None, ""])
def test_a_mount_can_be_made_a_catch_all(prefix):
    assert seen("cart.add", [("all", Cart, prefix)]) == {"all": "cart.add"}


def test_named_reducers_get_the_type_as_it_is():
    assert seen("cart.add", reducers=["ship", "cart"]) == {"cart": "cart.add", "ship": "cart.add"}
    assert seen("cart.add", reducers=[]) == {}
    assert seen("cart.add", reducers=["nobody"]) == {}


def test_a_prefix_picks_the_mounts_that_have_it_and_strips_itself():
    assert seen("cart.add", prefix="cart") == {"cart": "add", "express": "add"}
    assert seen("add", prefix="cart") == {"cart": "add", "express": "add"}
    assert seen("other.add", prefix="cart") == {"cart": "other.add", "express": "other.add"}
    assert seen("cart.add", prefix="") == {"log": "cart.add", "audit": "cart.add"}


def test_names_and_prefix_must_both_fit():
    assert seen("cart.add", reducers=["cart", "ship"], prefix="cart") == {"cart": "cart.add"}


def test_a_mapping_mounts_too():
    assert seen("cart.add", {"cart": Cart, "other": (Cart, "cart"), "all": (Cart, None)}) == {
        "cart": "add",
        "other": "add",
        "all": "cart.add",
    }


def test_payload_and_meta_come_through_the_stripping():
    class Keep(Reducer):
        name = "keep"

        def handle_action(self, action, state):
            return action

    mounts = Mounts([Keep])
    after = reduce(mounts.init_state(), Action("keep.it", 7, {"by": "me"}), mounts.route("keep.it"))
    assert after[0] == {"keep": Action("it", 7, {"by": "me"})}


def test_mounts_reduce_in_the_order_of_their_declaration():
    assert list(seen("reset")) == ["cart", "guest_cart", "express", "ship", "log", "audit"]


def test_two_mounts_of_one_class_have_slices_of_their_own():
    mounts = Mounts([Cart, ("guest_cart", Cart)])
    assert reduce(mounts.init_state(), Action("cart.add"), mounts.route("cart.add"))[0] == {"cart": ("add",)}


def test_one_that_raises_leaves_all_as_it_was():
    class Failing(Reducer):
        name = "failing"

        @on("reset")
        def reset(self, action, state):
            raise LookupError("as asked")

    mounts = Mounts([Cart, Failing])
    before = mounts.init_state()
    with pytest.raises(ReducerError, match=r"'failing'.*'reset'.*LookupError") as caught:
        reduce(before, Action("reset"), mounts.route("reset"))
    assert (caught.value.reducer, caught.value.action.type) == ("failing", "reset")
    assert isinstance(caught.value.__cause__, LookupError)
    assert before == {"cart": (), "failing": {}}


def test_a_forgotten_return_is_found():
    class Forgetful(Reducer):
        name = "forgetful"

        @on("add")
        def add(self, action, state):
            {**state}  # noqa: B018

    mounts = Mounts([Forgetful])
    with pytest.raises(ReducerError, match="returned None"):
        reduce(mounts.init_state(), Action("add"), mounts.route("add"))


def test_the_same_object_is_no_change():
    class Still(Reducer):
        name = "still"

        @on("look")
        def look(self, action, state):
            return state

    mounts = Mounts([Still])
    assert reduce(mounts.init_state(), Action("look"), mounts.route("look")) == ({}, [])


def test_routes_are_kept_but_not_without_end():
    mounts = Mounts([Cart])
    assert mounts.route("cart.add") is mounts.route("cart.add")
    for number in range(2 * MAX_ROUTES):
        assert len(mounts.route(f"cart.{number}")) == 1
        assert len(mounts.route_to(f"cart.{number}", None, "cart")) == 1
    assert len(mounts._routes) == len(mounts._filtered) == MAX_ROUTES


# -- mounts that cannot be ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [
        None,
        "cart",
        b"cart",
        int,
        Reducer,
        Cart(),
        (),
        ("cart",),
        (Cart,),
        (Cart, "cart"),
        ("cart", Cart()),
        ("cart", int),
        ("cart", "shop.Cart"),
        (1, Cart),
        (None, Cart),
        ("cart", Cart, "cart", "more"),
        ["cart", Cart, 5],
        ("cart", Cart, 5),
        ("cart", Cart, "a.b"),
        ("", Cart),
        ("my cart", Cart),
        ("a.b", Cart),
    ],
)
def test_a_wrong_mount_is_named_with_the_rule(spec):
    with pytest.raises(InvalidReducer, match=r"cannot mount|action prefix|reducers is"):
        Mounts([spec])


@pytest.mark.parametrize("specs", [None, 5, "cart", b"cart", Cart])
def test_reducers_must_be_a_list_or_a_mapping(specs):
    with pytest.raises(InvalidReducer, match="must be a list"):
        Mounts(specs)


def test_a_name_may_be_mounted_once():
    with pytest.raises(InvalidReducer, match=r"two reducers.*'cart'.*another_name"):
        Mounts([Cart, Cart])
    with pytest.raises(InvalidReducer, match=r"Ship and .*Cart|Ship.*Cart"):
        Mounts([("cart", Ship), Cart])


# -- effects -----------------------------------------------------------------------------------------------------------


class Load(Reducer):
    name = "load"

    @effect("start", "item.start")
    def start(self, action, dispatch, state):
        return None

    @on("start.failed")
    def failed(self, action, state):
        return state


class Async(Reducer):
    name = "any"
    action_prefix = None

    def handle_async(self, action, dispatch, state):
        return None


class UnmatchedAsync(Load):
    name = "rest"

    def handle_unmatched_async(self, action, dispatch, state):
        return None


@pytest.mark.parametrize(
    ("type_", "reducers", "prefix", "steps"),
    [
        ("load.start", None, None, [("load", "start", "start"), ("any", "handle_async", "load.start")]),
        ("load.item.start", None, None, [("load", "start", "item.start"), ("any", "handle_async", "load.item.start")]),
        ("load.else", None, None, [("load", None, "else"), ("any", "handle_async", "load.else")]),
        ("rest.start", None, None, [("any", "handle_async", "rest.start"), ("rest", "start", "start")]),
        ("rest.else", None, None, [("any", "handle_async", "rest.else"), ("rest", "handle_unmatched_async", "else")]),
        ("start", ["load"], None, [("load", "start", "start")]),
        ("load.start", ["load"], None, [("load", None, "load.start")]),
        ("load.start", None, "load", [("load", "start", "start")]),
        ("start", None, "", [("any", "handle_async", "start")]),
        ("start", ["nobody"], None, []),
    ],
)
def test_effects_go_where_actions_go_to_the_function_that_is_there(type_, reducers, prefix, steps):
    found = Mounts([Load, Async, UnmatchedAsync]).effects(type_, reducers, prefix)
    assert [(each.mount.name, each.function and each.function.__name__, each.type) for each in found] == steps


def test_the_failure_of_an_effect_goes_to_its_own_mount_if_it_handles_that():
    mounts = Mounts([Load, ("other", Load)])
    first, second = mounts.effects("start", None, None)
    assert [(step.name, step.type) for step in (*first.failed, *second.failed)] == [
        ("load", "start.failed"),
        ("other", "start.failed"),
    ]
    assert mounts.effects("load.item.start", None, None)[0].failed == ()


def test_an_abstract_reducer_with_a_name_cannot_be_mounted():
    class Base(Reducer, abstract=True):
        name = "base"

    with pytest.raises(InvalidReducer, match="cannot mount"):
        Mounts([Base])
