"""The rows: what a session does, and who else does it.

Every sample of dispatch, call and select uses one session that lives on; start and terminate use many.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import perf_counter

from phoenix_sessions import sessions

from .. import peers
from ..floors import ADD, BareSession, Shop, count_of, counter, distinct_selector, ids, receiver
from ..measure import Contender, Effort, Figure, Measured, Row, run, timed
from ..site import configure

MANY = 2_000
"""The most sessions that one sample starts or ends, so that a thread each is bearable."""


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure the group."""
    configure()
    for row in rows():
        yield run(row, effort)


def rows() -> list[Row]:
    """Return the rows in the order of the table."""
    ref = sessions.start_session("bench", Shop)
    return [
        _asked("dispatch", lambda: ref.dispatch("counter.add", 1), _bare_reducer, BareSession.dispatch, 2.0),
        _asked("call", lambda: ref.call("count"), _repeat(BareSession().call), BareSession.call),
        _asked("call, floor with a lock", lambda: ref.call("count"), _locked_call(), BareSession.call, 2.5),
        _asked("get_state", ref.get_state, _looked_up(BareSession.get_state), BareSession.get_state, 3.0),
        _asked(
            "select_state", lambda: ref.select_state(count_of), _looked_up(BareSession.select), BareSession.select, 4.0
        ),
        Row(
            "start",
            {"ours": lambda n: _ours(n)[0], "floor": _start_bare, "task": _start_tasks, "thread": _start_threads},
            (Figure("floor", at_most=4.0),),
            MANY,
        ),
        Row(
            "terminate",
            {"ours": lambda n: _ours(n)[1], "floor": _end_bare, "task": _end_tasks, "thread": _end_threads},
            (Figure("floor", at_most=4.0),),
            MANY,
        ),
        _notify(1),
        _notify(100),
    ]


def _asked(
    name: str, ours: Callable[[], object], floor: Contender, work: peers.Work, target: float | None = None
) -> Row:
    others = {"task": peers.ask_task(work), "thread": peers.ask_thread(work)}
    figures = () if target is None else (Figure("floor", at_most=target),)
    return Row(name, {"ours": _repeat(ours), "floor": floor, **others}, figures)


def _notify(count: int) -> Row:
    """Return the row of a dispatch that ``count`` subscribers are told of, each with a selector of its own."""
    ref = sessions.start_session(f"notify-{count}", Shop)
    for _ in range(count):
        ref.subscribe(distinct_selector(), "changed", receiver=receiver)
    bare = BareSession()
    bare.subscribe(count)
    contenders = {
        "ours": _repeat(lambda: ref.dispatch("counter.add", 1)),
        "floor": _repeat(bare.dispatch),
        "task": peers.ask_task(BareSession.dispatch, count),
        "thread": peers.ask_thread(BareSession.dispatch, count),
    }
    return Row(f"dispatch, {count} notified", contenders, (Figure("floor", at_most=2.0),) if count == 100 else ())


def _repeat(work: Callable[[], object]) -> Contender:
    return lambda count: timed(work, count)


def _bare_reducer(count: int) -> float:
    state, add, action = counter.init_state(), counter.add, ADD
    start = perf_counter()
    for _ in range(count):
        state = add(action, state)
    return perf_counter() - start


def _looked_up(work: peers.Work) -> Contender:
    table = {"bench": BareSession()}
    return lambda count: timed(lambda: work(table["bench"]), count)


def _locked_call() -> Contender:
    lock, bare = threading.Lock(), BareSession()

    def work() -> None:
        with lock:
            bare.call()

    return _repeat(work)


# -- start and terminate: each contender does both, and returns the one that is asked for ---------------


def _ours(count: int) -> tuple[float, float]:
    names = ids(count)
    start = perf_counter()
    for name in names:
        sessions.start_session(name, Shop)
    middle = perf_counter()
    for name in names:
        sessions.terminate(name)
    return middle - start, perf_counter() - middle


def _start_bare(count: int) -> float:
    names, table = ids(count), {}
    start = perf_counter()
    for name in names:
        table[name] = BareSession()
    return perf_counter() - start


def _end_bare(count: int) -> float:
    table = {name: BareSession() for name in ids(count)}
    names = list(table)
    start = perf_counter()
    for name in names:
        del table[name]
    return perf_counter() - start


async def _tasks(count: int) -> tuple[float, float]:
    start = perf_counter()
    started = await peers.start_tasks(count)
    middle = perf_counter()
    await peers.end_tasks(started)
    return middle - start, perf_counter() - middle


def _start_tasks(count: int) -> float:
    return peers.loop.run_until_complete(_tasks(count))[0]


def _end_tasks(count: int) -> float:
    return peers.loop.run_until_complete(_tasks(count))[1]


def _threads(count: int) -> tuple[float, float]:
    start = perf_counter()
    started = [peers.ThreadSession() for _ in range(count)]
    middle = perf_counter()
    for session in started:
        session.stop()
    return middle - start, perf_counter() - middle


def _start_threads(count: int) -> float:
    return _threads(count)[0]


def _end_threads(count: int) -> float:
    return _threads(count)[1]
