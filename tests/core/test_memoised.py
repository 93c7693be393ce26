"""Created selectors: what they are made of, when they compute again, and whose cache it is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from racing import race

from phoenix_sessions import (
    Reducer,
    SelectorError,
    SessionProcess,
    State,
    create_selector,
    on,
    sessions,
    telemetry,
)
from phoenix_sessions.core.memoised import MEMO_LIMIT, Memo
from phoenix_sessions.core.selector import select, slices_of


class Cart(Reducer):
    name = "cart"

    def init_state(self):
        return {"items": ()}

    @on("add")
    def add(self, action, state):
        return {**state, "items": (*state["items"], action.payload)}

    @on("noted")
    def noted(self, action, state):
        return {**state, "note": action.payload}


class Other(Reducer):
    name = "other"

    @on("set")
    def set(self, action, state):
        return {"value": action.payload}


class Crash(SessionProcess):
    reducers = [Cart, Other]

    def handle_cast(self, request, state):
        raise ValueError(request)


STATE = State(cart={"items": (1, 2)}, rate=3)


# -- what it is made of --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "selector",
    [
        create_selector("cart.items", "rate", lambda items, rate: sum(items) * rate),
        create_selector(["cart.items", "rate"], lambda items, rate: sum(items) * rate),
        create_selector(create_selector("cart.items", sum), lambda state: state.rate, lambda a, b: a * b),
    ],
)
def test_inputs_are_paths_functions_and_selectors(selector):
    assert selector(STATE) == select(selector, STATE) == 9


@pytest.mark.parametrize(
    "parts",
    [(), (len,), ([], len), ("cart",), ("cart", "rate"), ("", len), (5, len), (["cart", None], len), ("cart..x", len)],
)
def test_what_is_no_selector(parts):
    with pytest.raises(SelectorError, match="it takes inputs"):
        create_selector(*parts)


def test_it_depends_on_the_slices_of_its_paths():
    both = create_selector("cart.items", create_selector("rate", abs), lambda *values: values)
    assert slices_of(both) == both.slices == {"cart", "rate"}
    assert set(slices_of(create_selector("cart.items", len, lambda *values: values))) == {None}


def test_its_name_is_that_of_its_function():
    def total(items):
        return sum(items)

    assert repr(create_selector("cart.items", total)) == "<selector total>"


# -- when it computes ----------------------------------------------------------------------------------------------


def test_it_computes_again_only_when_an_input_is_another_object():
    total = create_selector("cart.items", sum)
    assert [total(STATE), total(STATE.replace({"rate": 4})), total.recomputations] == [3, 3, 1]
    assert total(STATE.replace({"cart": {"items": (5,)}})) == 5
    assert total.recomputations == 2


def test_equal_scalars_are_the_same_and_equal_containers_are_not():
    scalar = create_selector(lambda state: int(str(10**9)), lambda value: value)
    container = create_selector(lambda state: [1], lambda value: value)
    for _ in range(2):
        scalar(STATE)
        container(STATE)
    assert (scalar.recomputations, container.recomputations) == (1, 2)


def test_true_is_not_one():
    kind = create_selector("value", type)
    assert [kind(State(value=1)), kind(State(value=True)), kind(State(value=1.0))] == [int, bool, float]


def test_the_result_is_the_same_object():
    pairs = create_selector("cart.items", lambda items: [(item, item) for item in items])
    assert pairs(STATE) is pairs(STATE)


def test_what_raises_is_not_kept():
    answers = iter([ValueError("as asked"), 7])

    def combine(items):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    selector = create_selector("cart.items", combine)
    with pytest.raises(SelectorError) as caught:
        select(selector, STATE)
    assert caught.value.selector is selector
    assert select(selector, STATE) == 7
    assert selector.recomputations == 2


def test_recomputations_are_exact_under_threads():
    fresh = create_selector(lambda state: object(), lambda value: 1)

    def work():
        for _ in range(2000):
            fresh(STATE)

    race(*[work] * 8)
    assert fresh.recomputations == 16_000


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=30))
def test_memoised_is_as_unmemoised(changes):
    plain = {
        "sum": lambda state: state["a"] + state["b"],
        "twice": lambda state: 2 * (state["a"] + state["b"]) + state["c"],
    }
    total = create_selector("a", "b", lambda a, b: a + b)
    twice = create_selector(total, lambda state: state["c"], lambda sum, c: 2 * sum + c)
    memo = Memo(lambda selector, hit: None)
    state = State(a=0, b=0, c=0)
    for name, value in changes:
        state = state.replace({name: value})
        assert select(total, state, memo) == total(state) == plain["sum"](state)
        assert select(twice, state, memo) == twice(state) == plain["twice"](state)


@st.composite
def graphs(draw):
    """Pairs of a created selector and the same as a plain function; each may be made of any of those before it."""
    made = [(name, lambda state, name=name: state[name]) for name in "abc"]
    made += [(plain, plain) for _, plain in made]
    for _ in range(draw(st.integers(1, 6))):
        inputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3))
        factor = draw(st.integers(1, 3))

        def combine(*values, factor=factor):
            return [factor, *values]

        def plain(state, combine=combine, inputs=inputs):
            return combine(*(function(state) for _, function in inputs))

        made.append((create_selector([selector for selector, _ in inputs], combine), plain))
    return made[6:]


VALUES = st.one_of(st.booleans(), st.integers(0, 2), st.sampled_from([1.0, "1", b"1", None, (1,)]))


@given(graphs(), st.lists(st.tuples(st.sampled_from("abc"), VALUES), max_size=12))
def test_any_graph_memoised_is_as_unmemoised(graph, changes):
    memo = Memo(lambda selector, hit: None)
    state = State(a=0, b=0, c=0)
    for name, value in changes:
        state = state.replace({name: value})
        for selector, plain in graph:
            assert repr(select(selector, state, memo)) == repr(selector(state)) == repr(plain(state))


def test_selectors_are_composed_to_any_depth():
    selector = create_selector("rate", lambda value: value)
    for _ in range(600):
        selector = create_selector(selector, lambda value: value + 1)
    assert select(selector, STATE, Memo(lambda selector, hit: None)) == selector(STATE) == 603


def test_each_is_asked_once_in_an_evaluation():
    asked = []
    selector = create_selector("rate", lambda value: value)
    for _ in range(20):
        selector = create_selector(selector, selector, lambda one, two: one + two)
    assert select(selector, STATE, Memo(lambda selector, hit: asked.append(selector))) == 3 * 2**20
    assert len(asked) == len(set(asked)) == 21


# -- whose cache it is ---------------------------------------------------------------------------------------------


def test_sessions_do_not_push_out_each_others_results():
    total = create_selector("cart.items", sum)
    refs = [sessions.start_session(f"s{number}", Crash) for number in range(3)]
    for number, ref in enumerate(refs):
        ref.dispatch("cart.add", number)
    for _, (number, ref) in itertools.product(range(4), enumerate(refs)):
        assert ref.select_state(total) == number
    assert total.recomputations == 3


def test_the_memo_is_bounded_and_the_least_recently_used_goes():
    memo = Memo(lambda selector, hit: None)
    first, *others = [create_selector("rate", abs) for _ in range(MEMO_LIMIT + 1)]
    for selector in (first, *others[:-1], first, others[-1]):
        selector.evaluate(STATE, memo)
    assert len(memo) == MEMO_LIMIT
    for selector in (first, others[0]):
        selector.evaluate(STATE, memo)
    assert (first.recomputations, others[0].recomputations) == (1, 2)


def test_a_new_life_begins_with_an_empty_memo():
    total = create_selector("cart.items", len)
    ref = sessions.start_session("s", Crash)
    assert ref.select_state(total) == 0
    with pytest.raises(Exception, match="as asked"):
        ref.cast("as asked")
    ref.select_state(total)
    assert total.recomputations == 2


# -- subscriptions -------------------------------------------------------------------------------------------------


def test_subscribers_are_evaluated_only_when_a_slice_of_theirs_changed():
    looked, told = [], []

    class Slice(dict):
        def __getitem__(self, key):
            looked.append(key)
            return super().__getitem__(key)

    class Watched(Cart):
        name = "watched"

        def init_state(self):
            return Slice(items=())

        @on("add")
        def add(self, action, state):
            return Slice(items=(*state["items"], action.payload))

    class Process(SessionProcess):
        reducers = [Watched, Other, Cart]

    size = create_selector("watched.items", "cart.items", lambda *values: sum(map(len, values)))
    ref = sessions.start_session("s", Process)
    ref.subscribe(size, receiver=lambda event, value: told.append(value))
    looked.clear()
    ref.dispatch("other.set", 1)
    assert looked == []
    ref.dispatch("add", 1)  # both slices in one commit: looked at once
    assert looked.count("items") == 2  # once by the reducer, once by the selector
    assert told == [0, 2]
    assert size.recomputations == 2


def test_a_selector_that_raises_later_ends_its_subscription():
    told = []
    fragile = create_selector("cart.items", lambda items: 1 // (1 - len(items)))
    ref = sessions.start_session("s", Crash)
    subscription = ref.subscribe(fragile, receiver=lambda event, value: told.append(value))
    ref.dispatch("cart.add", 1)
    assert told == [1]
    assert not subscription.active
    assert ref.version == 1


# -- telemetry -----------------------------------------------------------------------------------------------------


def test_hits_and_misses_are_told():
    total = create_selector("cart.items", sum)
    events = []
    names = ["phoenix_sessions.selector.hit", "phoenix_sessions.selector.miss"]
    telemetry.attach_many("watch", names, lambda *event: events.append(event))
    try:
        ref = sessions.start_session("s", Crash)
        ref.select_state(total)
        ref.select_state(total)
        total(ref.state)
    finally:
        telemetry.detach("watch")
    facts = {"session_id": "s", "process": Crash, "selector": total}
    assert events == [(names[1], {"count": 1}, facts, None), (names[0], {"count": 1}, facts, None)]


def test_a_function_that_happens_to_have_slices_may_depend_on_any():
    def total(state):
        return state["a"]

    total.slices = frozenset({"b"})
    assert create_selector([total], lambda value: value).slices is None
