"""The core: what a session does in its own process of the operating system, without sockets and HTTP.

Every sample of dispatch, call and select uses one session that lives on; start and terminate use many. The verbs
run in a bare ``for`` loop, ours and the floor's alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from time import perf_counter
from typing import Any

from phoenix_sessions import SessionRef, sessions

from .. import memory, peers, starting
from ..floors import (
    ADD,
    BareSession,
    ForgetfulShop,
    Shop,
    WatchedSession,
    count_of,
    counter,
    distinct_selector,
    process,
    receiver,
    selector_elsewhere,
)
from ..measure import Contender, Effort, Figure, Measured, Row, looped, run
from ..site import configure

MANY = 2_000
"""The most sessions that one sample starts or ends, so that a thread each is bearable."""
SUBSCRIBERS = 100


def measure(effort: Effort) -> Iterator[Measured]:
    """Measure the group."""
    configure()
    for row in rows():
        yield run(row, effort)
    yield from memory.measure()


def rows() -> Iterator[Row]:
    """Return the rows in the order of the table."""
    yield _dispatch_without_history()
    yield _dispatch()
    yield _adispatch()
    yield from _dispatch_elsewhere()
    yield _dispatch_told()
    yield _get_state()
    yield _select_state()
    yield _call()
    yield _start()
    yield _terminate()


def _dispatch_without_history() -> Row:
    ref = sessions.start_session("forgetful", ForgetfulShop)
    contenders = {"ours": _dispatching(ref), "bare reducer": _bare_reducer()}
    return Row("dispatch, history off", contenders, (Figure("bare reducer", at_most=2.0),))


def _dispatch() -> Row:
    ref = sessions.start_session("remembering", Shop)
    contenders = {"ours": _dispatching(ref), "bare reducer": _bare_reducer(), **peers.askers(BareSession.dispatch)}
    return Row("dispatch, history on", contenders, (Figure("bare reducer", at_most=2.4),), unsteady=peers.THREADED)


def _adispatch() -> Row:
    ref = sessions.start_session("awaited", Shop)

    async def sample(count: int) -> float:
        repeat = range(count)
        start = perf_counter()
        for _ in repeat:
            await ref.adispatch("counter.add", 1)
        return perf_counter() - start

    contenders = {"ours": lambda count: peers.loop.run_until_complete(sample(count)), "dispatch": _dispatching(ref)}
    return Row("adispatch", contenders, (Figure("dispatch", at_most=1.6),))


def _dispatch_elsewhere() -> Iterator[Row]:
    """Of a path we know which slice it reads; of a function we do not, so that it must be called."""
    paths = ("cart.items", "cart.total") * (SUBSCRIBERS // 2)
    yield _elsewhere("paths", paths, (Figure("none", at_most=1.2),))
    yield _elsewhere("functions", [selector_elsewhere() for _ in range(SUBSCRIBERS)], ())


def _elsewhere(kind: str, selectors: Iterable[Any], figures: tuple[Figure, ...]) -> Row:
    watched = _watched(f"elsewhere-{kind}", selectors)
    alone = sessions.start_session(f"alone-{kind}", Shop)
    contenders = {"ours": _dispatching(watched), "none": _dispatching(alone)}
    return Row(f"dispatch, {SUBSCRIBERS} subscribers on other slices ({kind})", contenders, figures)


def _dispatch_told() -> Row:
    ref = _watched("told", [distinct_selector() for _ in range(SUBSCRIBERS)])
    bare = WatchedSession(SUBSCRIBERS)
    contenders = {
        "ours": _dispatching(ref),
        "bare loop": looped("session.dispatch()", session=bare),
        **peers.askers(WatchedSession.dispatch, lambda: WatchedSession(SUBSCRIBERS)),
    }
    figures = (Figure("bare loop", at_most=2.0),)
    return Row(f"dispatch, {SUBSCRIBERS} subscribers told", contenders, figures, unsteady=peers.THREADED)


def _get_state() -> Row:
    ref, table = sessions.start_session("got", Shop), {"got": BareSession()}
    floor = looped('table["got"].get_state()', table=table)
    contenders = {"ours": looped("ref.get_state()", ref=ref), "look-up and function": floor}
    return Row("get_state", contenders, (Figure("look-up and function", at_most=3.0),))


def _select_state() -> Row:
    ref, table = sessions.start_session("selected", Shop), {"selected": BareSession()}
    floor = looped('pick(table["selected"].state)', table=table, pick=count_of)
    contenders = {"ours": looped("ref.select_state(pick)", ref=ref, pick=count_of), "look-up and function": floor}
    return Row("select_state", contenders, (Figure("look-up and function", at_most=4.0),))


def _call() -> Row:
    ref, lock, state = sessions.start_session("called", Shop), Lock(), BareSession().state
    floor = looped('with lock: process.handle_call("count", state).value', lock=lock, process=process, state=state)
    contenders = {
        "ours": looped('ref.call("count")', ref=ref),
        "lock and method": floor,
        **peers.askers(BareSession.call),
    }
    figures = (
        Figure("lock and method", at_most=2.5),
        Figure("asyncio task", at_least=5),
        Figure("asyncio task, from a thread", at_least=40),
        Figure("pykka", at_least=60),
        Figure("thread and queue", at_least=60),
    )
    return Row("call, a synchronous round trip", contenders, figures, unsteady=peers.THREADED)


def _start() -> Row:
    figures = (Figure("bare objects", at_most=4), Figure("asyncio task", at_least=4), Figure("pykka", at_least=40))
    return Row("start", starting.starters(), figures, MANY, peers.THREADED)


def _terminate() -> Row:
    return Row("terminate", starting.enders(), (Figure("bare objects", at_most=4),), MANY, peers.THREADED)


def _dispatching(ref: SessionRef) -> Contender:
    return looped('ref.dispatch("counter.add", 1)', ref=ref)


def _bare_reducer() -> Contender:
    return looped("state = counter.add(action, state)", "state = counter.init_state()", counter=counter, action=ADD)


def _watched(id: str, selectors: Iterable[str | Callable[[Any], Any]]) -> SessionRef:
    ref = sessions.start_session(id, Shop)
    for selector in selectors:
        ref.subscribe(selector, "changed", receiver=receiver)
    return ref
