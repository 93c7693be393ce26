"""Who is asked in a Redis Cluster, step by step; nothing here needs a server."""

import pytest
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, ConnectionError, MovedError, TryAgainError

from phoenix_sessions import BackendUnavailable
from phoenix_sessions.backends.redis.asks import ask
from phoenix_sessions.backends.redis.scripts import SLOTS, Script
from phoenix_sessions.backends.redis.topology import Topology
from phoenix_sessions.backends.redis.walks import walk

SEED, A, B, C = ("seed", 1), ("a", 1), ("b", 1), ("c", 1)
KEY = b"{visitor}"
ONCE = Script((b"EVALSHA",), (b"EVAL",), again=False)
AGAIN = Script((b"EVALSHA",), (b"EVAL",), again=True)


def slots(*ranges):
    """Return what CLUSTER SLOTS answers."""
    return [[first, last, [node[0].encode(), node[1], b"name"]] for first, last, node in ranges]


HALVES = slots((0, 8191, A), (8192, 16383, B))
assert key_slot(KEY) < 16384
OWNER, OTHER = (A, B) if key_slot(KEY) <= 8191 else (B, A)


def failure(cause, *, maybe=False):
    error = BackendUnavailable(cause, maybe=maybe)
    error.__cause__ = cause
    return error


def play(flow, *answers):
    """Give a flow answers and failures, in turn; return whom it asked what, and what it returned."""
    asked = []
    step = next(flow)
    for answer in answers:
        asked.append((step.node, "slots" if step.script is SLOTS else "script"))
        try:
            step = flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
        except StopIteration as end:
            return asked, end.value
    raise AssertionError(f"{step} was not answered")


def test_a_node_that_is_not_there_is_asked_again_where_its_slots_are_now():
    lost = failure(ConnectionError())
    flow = ask(Topology(SEED), AGAIN, (KEY,))
    asked, answer = play(flow, HALVES, lost, lost, lost, slots((0, 16383, C)), 1)
    assert (asked[0], asked[1], asked[-1]) == ((SEED, "slots"), (OWNER, "script"), (C, "script"))
    assert answer == 1


@pytest.mark.parametrize(("script", "maybe"), [(ONCE, True), (AGAIN, True)])
def test_what_was_perhaps_done_is_asked_again_only_if_it_may_be(script, maybe):
    lost = failure(ConnectionError(), maybe=maybe)
    flow = ask(Topology(SEED), script, (KEY,))
    if script is AGAIN:
        assert play(flow, HALVES, lost, HALVES, 1)[1] == 1
        return
    with pytest.raises(BackendUnavailable) as caught:
        play(flow, HALVES, lost)
    assert caught.value.maybe


def test_what_was_perhaps_done_stays_so_when_no_node_is_there_any_more():
    lost = failure(ConnectionError(), maybe=True)
    refused = failure(ConnectionError())
    with pytest.raises(BackendUnavailable) as caught:
        play(ask(Topology(SEED), AGAIN, (KEY,)), HALVES, lost, refused, refused, refused)
    assert caught.value.maybe


def test_what_was_perhaps_done_stays_so_when_no_node_has_the_slot_any_more():
    elsewhere = slots((key_slot(KEY) + 1, 16383, A))
    with pytest.raises(BackendUnavailable, match="no node of the cluster has slot") as caught:
        play(ask(Topology(SEED), AGAIN, (KEY,)), HALVES, failure(ConnectionError(), maybe=True), elsewhere)
    assert caught.value.maybe


def test_what_was_perhaps_done_stays_so_when_it_is_then_refused():
    answers = (
        failure(ConnectionError(), maybe=True),
        HALVES,
        failure(TryAgainError("TRYAGAIN")),
        failure(ClusterDownError("down")),
    )
    with pytest.raises(BackendUnavailable) as caught:
        play(ask(Topology(SEED), AGAIN, (KEY,)), HALVES, *answers)
    assert caught.value.maybe


def test_nodes_that_send_one_another_round_are_asked_more_slowly():
    moved = [failure(MovedError(f"{key_slot(KEY)} {name}:1")) for name in "ab" * 50]
    flow = ask(Topology(SEED), AGAIN, (KEY,))
    next(flow)
    steps = [flow.send(HALVES), *map(flow.throw, moved)]
    assert [bool(step.pause) for step in steps] == [False] * 9 + [True] * 92
    with pytest.raises(BackendUnavailable, match="no answer"):
        flow.throw(BackendUnavailable("no answer within 3 s"))


def test_a_node_that_answers_in_the_end_is_the_answer():
    moved = [failure(MovedError(f"{key_slot(KEY)} {name}:1")) for name in "ab" * 10]
    assert play(ask(Topology(SEED), AGAIN, (KEY,)), HALVES, *moved, 1)[1] == 1


def test_any_node_that_was_known_is_asked_when_all_is_forgotten():
    topology = Topology(SEED)
    with_replica = [[0, 16383, [b"a", 1, b"name"], [b"b", 1, b"name"]]]
    play(topology.learn(), with_replica)
    with pytest.raises(BackendUnavailable):
        play(ask(topology, AGAIN, (KEY,)), failure(ClusterDownError("down")))
    lost = failure(ConnectionError())
    asked, _ = play(ask(topology, AGAIN, (KEY,)), lost, lost, HALVES, 1)
    assert {node for node, what in asked if what == "slots"} == {A, B, SEED}


def test_a_node_that_was_taken_out_of_its_cluster_knows_nothing():
    topology = Topology(SEED)
    play(topology.learn(), HALVES)
    asked, answer = play(ask(topology, AGAIN, (KEY,)), failure(ConnectionError()), [], HALVES, 1)
    assert [what for _, what in asked] == ["script", "slots", "slots", "script"]
    assert answer == 1


@pytest.mark.parametrize("reply", [[[0, 16383, []]], [[0, 16383]], [[0, 16383, [b"\xff", 1]]], [7], 7])
def test_a_node_whose_answer_makes_no_sense_does_not_know(reply):
    topology = Topology(SEED)
    play(topology.learn(), HALVES)
    play(topology.learn(), reply, HALVES)
    assert next(ask(topology, AGAIN, (KEY,))).node == OWNER


def test_a_cluster_that_is_down_is_learnt_anew_the_next_time():
    topology = Topology(SEED)
    with pytest.raises(BackendUnavailable):
        play(ask(topology, AGAIN, (KEY,)), HALVES, failure(ClusterDownError("down")))
    assert next(ask(topology, AGAIN, (KEY,))).script is SLOTS


def test_a_slot_that_no_node_has_is_told():
    with pytest.raises(BackendUnavailable, match="no node of the cluster has slot"):
        play(ask(Topology(SEED), AGAIN, (KEY,)), slots((key_slot(KEY) + 1, 16383, A)))


def test_a_walk_begins_a_node_anew_that_has_got_the_slots_of_another():
    topology = Topology(SEED)
    _, (_, cursor) = play(walk(topology, None, AGAIN, ()), HALVES, [b"17"])
    play(topology.learn(), *([failure(ConnectionError())] * 2), slots((0, 16383, C)))
    assert next(walk(topology, cursor, AGAIN, ())).parts == (b"0",)


def test_a_walk_goes_on_at_the_node_that_has_got_the_slots_of_the_next_one():
    topology = Topology(SEED)
    _, (_, cursor) = play(walk(topology, None, AGAIN, ()), HALVES, [b"0"])
    play(topology.learn(), *([failure(ConnectionError())] * 2), slots((0, 10_000, C), (10_001, 16383, B)))
    asked, (_, cursor) = play(walk(topology, cursor, AGAIN, ()), [b"9"])
    assert asked == [(C, "script")]
    _, (_, cursor) = play(walk(topology, cursor, AGAIN, ()), [b"0"])
    assert next(walk(topology, cursor, AGAIN, ())).node == B


def test_a_walk_goes_over_all_nodes():
    topology = Topology(SEED)
    asked, (_, cursor) = play(walk(topology, None, AGAIN, ()), HALVES, [b"0"])
    assert asked == [(SEED, "slots"), (A, "script")]
    asked, (_, cursor) = play(walk(topology, cursor, AGAIN, ()), [b"5"])
    assert asked == [(B, "script")]
    step = next(walk(topology, cursor, AGAIN, ()))
    assert (step.node, step.parts) == (B, (b"5",))
    assert play(walk(topology, cursor, AGAIN, ()), [b"0"])[1][1] is None


def test_a_walk_tries_a_lost_connection_again():
    asked, (reply, _) = play(walk(Topology(SEED), None, AGAIN, ()), HALVES, failure(ConnectionError()), [b"0", 7])
    assert asked[-2:] == [(A, "script")] * 2
    assert reply == [b"0", 7]


def test_the_places_of_a_watch_stay_as_they_were_when_it_began():
    topology = Topology(SEED)
    play(topology.learn(), HALVES)
    nodes, place = topology.places()
    play(topology.learn(), slots((0, 16383, C)))
    assert nodes[place(KEY)] == OWNER


def test_a_watch_has_no_place_for_what_no_node_has():
    topology = Topology(SEED)
    play(topology.learn(), slots((key_slot(KEY) + 1, 16383, A)))
    nodes, place = topology.places()
    assert nodes == [A]
    with pytest.raises(BackendUnavailable, match="no node of the cluster has slot"):
        place(KEY)
