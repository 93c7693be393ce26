"""Refs: what they name, dispatching, reading, and what their verbs raise."""

import asyncio

import pytest

from phoenix_sessions import Reducer, ReducerError, SelectorError, SessionNotFound, SessionProcess, on, sessions


class Cart(Reducer):
    name = "cart"

    def init_state(self):
        return ()

    @on("add")
    def add(self, action, state):
        return (*state, action.payload)

    @on("same")
    def same(self, action, state):
        return state

    @on("who")
    def who(self, action, state):
        return (*state, action.meta.get("by"))

    @on("fail", "reset")
    def fail(self, action, state):
        raise LookupError("as asked")


class Other(Cart):
    name = "other"

    @on("reset")
    def reset(self, action, state):
        return ("reset",)


class Shop(SessionProcess):
    reducers = [Other, Cart, ("gifts", Cart)]


@pytest.fixture
def ref():
    return sessions.start_session("shop", Shop)


def test_a_ref_is_a_cheap_value(ref):
    assert ref == sessions.find_session("shop") == sessions.ref("shop")
    assert ref != sessions.ref("other")
    assert ref != "shop"
    assert len({ref, sessions.ref("shop")}) == 1
    assert repr(ref) == "<SessionRef shop>"


def test_dispatch_returns_the_version_after_it(ref):
    assert [ref.dispatch("cart.add", each) for each in "ab"] == [1, 2]
    assert ref.get_state("cart") == ("a", "b")


def test_an_action_that_changes_nothing_counts_no_version(ref):
    ref.dispatch("cart.add", 1)
    before = ref.state
    assert ref.dispatch("cart.same") == 1
    assert ref.dispatch("cart.unknown") == 1
    assert ref.state is before


def test_an_action_that_changes_several_slices_is_one_version(ref):
    assert ref.dispatch("add", 1) == 1
    assert ref.get_state() == {"other": (1,), "cart": (1,), "gifts": (1,)}


def test_a_reducer_that_raises_changes_no_slice_of_its_action(ref):
    with pytest.raises(ReducerError) as caught:
        ref.dispatch("reset")  # "other" has changed its slice already when "cart" raises
    assert (caught.value.reducer, caught.value.action.type) == ("cart", "reset")
    assert (ref.version, ref.get_state("other")) == (0, ())


def test_the_session_goes_on_after_a_reducer_that_raised(ref):
    with pytest.raises(ReducerError):
        ref.dispatch("cart.fail")
    assert ref.dispatch("cart.add", 1) == 1


def test_explicit_targets(ref):
    ref.dispatch("add", 1, reducers=["gifts"])
    ref.dispatch("cart.add", 2, reducer_prefix="cart")
    ref.dispatch_nowait("add", 3, reducers=("cart", "gifts"))
    assert ref.get_state() == {"other": (), "cart": (2, 3), "gifts": (1, 3)}


def test_meta_reaches_the_reducer(ref):
    ref.dispatch("cart.who", meta={"by": "Ada"})
    ref.dispatch("cart.who")
    assert ref.get_state("cart") == ("Ada", None)


def test_dispatch_nowait_applies_at_once_on_a_free_session(ref):
    assert ref.dispatch_nowait("cart.add", 1) is None
    assert (ref.state.cart, ref.version) == ((1,), 1)


def test_a_failure_of_dispatch_nowait_goes_to_the_log(ref, caplog):
    ref.dispatch_nowait("cart.fail")
    assert "reducer 'cart' failed on action 'fail'" in caplog.text


async def test_the_async_twins():
    ref = await sessions.astart_session("shop", Shop)
    assert await ref.adispatch("cart.add", 1) == 1
    assert await ref.adispatch("add", 2, reducers=["cart"], meta={"by": "Ada"}) == 2
    assert await ref.aget_state() == ref.state
    assert await ref.aget_state("cart.0") == await ref.aselect_state(lambda state: state.cart[0]) == 1
    assert await ref.astarted()
    with pytest.raises(ReducerError):
        await ref.adispatch("cart.fail")
    await ref.aterminate()
    assert not await ref.astarted()


def test_reading(ref):
    ref.dispatch("cart.add", "tea")
    assert ref.get_state().cart == ref.get_state("cart") == ("tea",)
    assert (
        ref.get_state("cart.0") == ref.select_state("cart.0") == ref.select_state(lambda state: state.cart[0]) == "tea"
    )


@pytest.mark.parametrize("selector", ["nothing", "cart.7", lambda state: 1 / 0])
def test_a_selector_that_raises_reaches_who_reads(ref, selector):
    with pytest.raises(SelectorError) as caught:
        ref.get_state(selector)
    assert caught.value.selector is selector
    assert ref.started()


def test_the_state_that_was_read_does_not_change(ref):
    before = ref.get_state()
    ref.dispatch("cart.add", 1)
    assert before.cart == ()
    with pytest.raises(TypeError, match="read-only"):
        before["cart"] = (1,)


VERBS = {
    "dispatch": lambda ref: ref.dispatch("cart.add"),
    "dispatch_nowait": lambda ref: ref.dispatch_nowait("cart.add"),
    "get_state": lambda ref: ref.get_state(),
    "call": lambda ref: ref.call("get_state"),
    "cast": lambda ref: ref.cast("x"),
    "touch": lambda ref: ref.touch(),
    "terminate": lambda ref: ref.terminate(),
    "subscribe": lambda ref: ref.subscribe(receiver=print),
    "state": lambda ref: ref.state,
    "version": lambda ref: ref.version,
    "epoch": lambda ref: ref.epoch,
    "adispatch": lambda ref: asyncio.run(ref.adispatch("cart.add")),
    "aget_state": lambda ref: asyncio.run(ref.aget_state()),
    "acall": lambda ref: asyncio.run(ref.acall("get_state")),
    "acast": lambda ref: asyncio.run(ref.acast("x")),
    "asubscribe": lambda ref: asyncio.run(ref.asubscribe(receiver=print)),
    "aterminate": lambda ref: asyncio.run(ref.aterminate()),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("ended", [False, True])
def test_every_verb_says_that_no_session_runs(verb, ended):
    if ended:
        sessions.start_session("shop", Shop).terminate()
    with pytest.raises(SessionNotFound, match="'shop'"):
        verb(sessions.ref("shop"))


def test_a_ref_names_the_id_not_the_life(ref):
    ref.dispatch("cart.add", 1)
    epoch = ref.epoch
    ref.terminate()
    sessions.start_session("shop", Shop)
    assert (ref.get_state("cart"), ref.version) == ((), 0)
    assert ref.epoch != epoch


def test_each_of_two_sessions_has_a_state_of_its_own(ref):
    other = sessions.start_session("other", Shop)
    ref.dispatch("cart.add", 1)
    assert (ref.get_state("cart"), other.get_state("cart")) == ((1,), ())
