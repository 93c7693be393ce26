"""Actions with an ``id`` in their meta are applied once; the original has nothing of the kind."""

import pytest
from racing import race

from phoenix_sessions import Reducer, ReducerError, SessionProcess, debounce, on, sessions
from phoenix_sessions.core.once import REMEMBERED


class Count(Reducer):
    name = action_prefix = "count"

    def init_state(self):
        return 0

    @on("add")
    def add(self, action, state):
        return state + (action.payload or 1)

    @on("later")
    @debounce(1)
    def later(self, action, state):
        return state + 100

    @on("fail")
    def fail(self, action, state):
        raise ValueError("as asked")


class Room(SessionProcess):
    reducers = [Count]


@pytest.fixture
def ref():
    return sessions.start_session("s", Room)


def test_an_action_that_comes_again_changes_nothing_and_is_answered_with_the_version(ref):
    assert ref.dispatch("count.add", meta={"id": "a"}) == 1
    ref.dispatch("count.add")
    assert ref.dispatch("count.add", 5, meta={"id": "a"}) == 2
    assert ref.get_state("count") == 2


async def test_so_it_is_for_the_async_twin(ref):
    assert [await ref.adispatch("count.add", meta={"id": "a"}) for _ in range(3)] == [1, 1, 1]


def test_another_id_is_another_action(ref):
    assert [ref.dispatch("count.add", meta={"id": id}) for id in ("1", 1, b"1")] == [1, 2, 3]


def test_an_action_that_failed_may_come_again(ref):
    with pytest.raises(ReducerError):
        ref.dispatch("count.fail", meta={"id": "a"})
    assert ref.dispatch("count.add", meta={"id": "a"}) == 1


def test_an_action_that_is_sent_by_many_at_once_is_applied_once(ref):
    race(*[lambda: ref.dispatch("count.add", meta={"id": "a"})] * 20)
    assert ref.get_state("count") == 1


def test_a_debounced_action_runs_though_its_id_is_known(ref, clock):
    ref.dispatch("count.later", meta={"id": "a"})
    clock.advance(2)
    assert ref.get_state("count") == 100


def test_so_many_ids_are_remembered_and_no_more(ref):
    for number in range(REMEMBERED + 1):
        ref.dispatch("count.add", meta={"id": number})
    assert ref.dispatch("count.add", meta={"id": 1}) == REMEMBERED + 1
    assert ref.dispatch("count.add", meta={"id": 0}) == REMEMBERED + 2


def test_an_action_is_known_by_its_id_after_a_move(ref):
    ref.dispatch("count.add", meta={"id": "a"})
    moved = sessions.move("s", "t")
    assert moved.dispatch("count.add", meta={"id": "a"}) == 1
    assert sessions.move("t", "u").dispatch("count.add", meta={"id": "a"}) == 1
