"""The actors of the soak: threads and coroutines that do whatever comes to their minds, and keep count of the answers.

Rules:
    1. An action is a verb of the public API. It is answered when it returns, or raises an error that its docstring
       knows; any other error is a finding, and so is an action that is not over in ``PATIENCE`` seconds.
    2. An actor holds at most ``HELD`` subscriptions, handles and snapshots, on sessions of ``IDS`` ids.
    3. Everything is drawn from a generator that is seeded, by actor; what threads make of it is not repeatable.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from phoenix_sessions import (
    CallFailed,
    CallTimeout,
    CastFailed,
    MailboxFull,
    ReducerError,
    SessionAlreadyStarted,
    SessionLimitReached,
    SessionNotFound,
    SessionStopped,
    VersionNotFound,
    sessions,
)

from .soaked import AsAskedError, Guarded, Plain, Waiting

IDS = [f"s{number}" for number in range(150)]
LEDGERS = [f"ledger{number}" for number in range(4)]
EFFECTS = ("load", "report", "hang", "break", "watch", "search", "poll")
HELD = 20
PATIENCE = 30.0

GONE = (SessionNotFound, SessionStopped, MailboxFull)
START = (SessionAlreadyStarted, SessionLimitReached)
RESULT = (CancelledError, TimeoutError, AsAskedError, SessionStopped)
CALL = (*GONE, CallFailed, CallTimeout)
TRAVEL = (*GONE, VersionNotFound)


class Seen:
    """A receiver: keeps the last value, and whether something came after the end."""

    def __init__(self) -> None:
        self.last: Any = None
        self.end: str | None = None
        self.wrong = False

    def __call__(self, event: str, value: Any) -> None:
        self.wrong = self.wrong or self.end is not None
        if event == "state_changed":
            self.last = value
        else:
            self.end = event


class Stopper:
    """What the effect "watch" leaves to be called at its end."""

    def __init__(self) -> None:
        self.calls = 0

    def stopped(self) -> None:
        self.calls += 1


class Actor:
    """What threads and coroutines have in common.

    Attributes:
        answers: How often each (verb, outcome) came.
        begun: How often each verb was begun.
        added: How many additions to each ledger were answered with a version.
        findings: What must not be.
        doing: The verb that is under way, and since when (monotonic seconds).
    """

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)
        self.answers: Counter[tuple[str, str]] = Counter()
        self.begun: Counter[str] = Counter()
        self.added: Counter[str] = Counter()
        self.findings: list[str] = []
        self.doing: tuple[str, float] | None = None
        self.subscriptions: deque[tuple[Any, Seen]] = deque()
        self.handles: deque[Any] = deque(maxlen=HELD)
        self.stoppers: deque[tuple[Any, Stopper]] = deque(maxlen=HELD)
        self.snapshots: deque[bytes] = deque(maxlen=HELD)

    def _begin(self, verb: str) -> None:
        self.begun[verb] += 1
        self.doing = verb, time.monotonic()

    def _end(self, verb: str, error: BaseException | None, allowed: tuple[type[BaseException], ...]) -> None:
        self.answers[verb, "answered" if error is None else type(error).__name__] += 1
        if error is not None and not isinstance(error, allowed):
            self.findings.append(f"{verb}: {''.join(traceback.format_exception(error))}")
        self.doing = None

    def attempt(self, verb: str, allowed: tuple[type[BaseException], ...], function: Callable[[], Any]) -> Any:
        """Do it and count what came of it; returns what it returned, or None."""
        self._begin(verb)
        try:
            result = function()
        except Exception as error:
            self._end(verb, error, allowed)
            return None
        self._end(verb, None, allowed)
        return result

    async def aattempt(self, verb: str, allowed: tuple[type[BaseException], ...], function: Callable[[], Any]) -> Any:
        """Do the same for a coroutine function."""
        self._begin(verb)
        try:
            result = await function()
        except (Exception, asyncio.CancelledError) as error:
            self._end(verb, error, allowed)
            return None
        self._end(verb, None, allowed)
        return result

    def any_id(self) -> str:
        return self.rng.choice(IDS)

    def any_process(self) -> type:
        return self.rng.choice((Plain, Guarded, Waiting))

    def any_snapshot(self) -> bytes | None:
        return self.rng.choice(self.snapshots) if self.snapshots and self.rng.random() < 0.2 else None

    def any_payload(self) -> object:
        return self.rng.choice((1, 2, 3, "stop"))

    def any_request(self) -> object:
        return self.rng.choices(("value", "crash", "stop"), (8, 1, 1))[0]

    def any_cast(self) -> object:
        later = ("later", self.rng.random() * 0.1)
        return self.rng.choices((later, ("put", "k", 1), ("delete", "k"), "crash", "?"), (4, 4, 4, 1, 1))[0]

    def any_effect(self) -> tuple[str, Any, dict[str, Any] | None]:
        """Return the type, payload and meta of an effect."""
        local = self.rng.choices(EFFECTS, (4, 3, 2, 1, 2, 2, 2))[0]
        payload: Any = Stopper() if local == "watch" else self.rng.random() * 0.02
        meta = {"cancel_ref": self.rng.choice("ab")} if self.rng.random() < 0.3 else None
        return f"count.{local}", payload, meta

    def hold(self, subscription: Any, seen: Seen) -> Any:
        """Keep a subscription; returns one to be ended if there are too many."""
        self.subscriptions.append((subscription, seen))
        return self.subscriptions.popleft()[0] if len(self.subscriptions) > HELD else None


class SyncActor(Actor):
    """A thread's."""

    def run(self, stop: Any) -> None:
        """Act until told to stop."""
        verbs = (self.start, self.dispatch, self.subscribe, self.ask, self.effect, self.travel, self.end, self.ledger)
        while not stop.is_set():
            self.rng.choices(verbs, (8, 20, 4, 8, 6, 6, 1, 4))[0]()
            time.sleep(self.rng.random() * 0.004)

    def start(self) -> None:
        verb, allowed = self.rng.choice(((sessions.start_session, START), (sessions.get_or_start, START[1:])))
        id, process, snapshot = self.any_id(), self.any_process(), self.any_snapshot()
        self.attempt(verb.__name__, allowed, lambda: verb(id, process, snapshot=snapshot))

    def dispatch(self) -> None:
        ref, payload, rng = sessions.ref(self.any_id()), self.any_payload(), self.rng
        match rng.randrange(7):
            case 0:
                self.attempt("dispatch that fails", (*GONE, ReducerError), lambda: ref.dispatch("count.fail"))
            case 1:
                refused = (*GONE, ReducerError)
                self.attempt("dispatch", refused, lambda: ref.dispatch("count.add", "refuse"))
            case 2:
                self.attempt("dispatch_nowait", GONE, lambda: ref.dispatch_nowait("count.add", payload))
            case 3:
                local = rng.choice(("typed", "refresh"))
                self.attempt(f"dispatch {local}", GONE, lambda: ref.dispatch(f"count.{local}", payload))
            case 4:
                meta = {"cancel_ref": rng.choice("ab")}
                self.attempt("dispatch cancel_ref", GONE, lambda: ref.dispatch("count.add", meta=meta))
            case _:
                self.attempt("dispatch", GONE, lambda: ref.dispatch("count.add", payload))

    def subscribe(self) -> None:
        ref, seen = sessions.ref(self.rng.choice((self.any_id(), *LEDGERS))), Seen()
        subscription = self.attempt("subscribe", GONE, lambda: ref.subscribe("count", receiver=seen))
        if subscription is not None and (too_many := self.hold(subscription, seen)) is not None:
            self.attempt("unsubscribe", (), too_many.unsubscribe)

    def ask(self) -> None:
        ref, rng = sessions.ref(self.any_id()), self.rng
        request, cast = self.any_request(), self.any_cast()
        match rng.randrange(4):
            case 0 | 1:
                self.attempt("call", CALL, lambda: ref.call(request, timeout=rng.choice((0.001, 5))))
            case 2:
                self.attempt("cast", (*GONE, CastFailed), lambda: ref.cast(cast))
            case 3:
                self.attempt("select_state", GONE, lambda: ref.select_state("count.n"))

    def effect(self) -> None:
        ref, rng = sessions.ref(self.any_id()), self.rng
        type, payload, meta = self.any_effect()
        handle = self.attempt("dispatch_async", GONE, lambda: ref.dispatch_async(type, payload, meta=meta))
        if handle is not None:
            self.handles.append(handle)
            if isinstance(payload, Stopper):
                self.stoppers.append((handle, payload))
        if self.handles and rng.random() < 0.4:
            self.attempt("handle.cancel", (), rng.choice(self.handles).cancel)
        if self.handles and rng.random() < 0.4:
            self.attempt("handle.result", RESULT, lambda: rng.choice(self.handles).result(0.05))

    def travel(self) -> None:
        ref, rng = sessions.ref(self.any_id()), self.rng
        match rng.randrange(5):
            case 0:
                self.attempt("undo", TRAVEL, ref.undo)
            case 1:
                self.attempt("redo", TRAVEL, ref.redo)
            case 2:
                self.attempt("history, travel_to", TRAVEL, lambda: ref.travel_to(rng.choice(ref.history() or [NO])[1]))
            case 3:
                self.attempt("history", GONE, ref.history)
            case 4:
                snapshot = self.attempt("snapshot", GONE, ref.snapshot)
                if snapshot is not None:
                    self.snapshots.append(snapshot)

    def end(self) -> None:
        id, new_id = self.any_id(), self.any_id()
        if self.rng.random() < 0.5:
            self.attempt("terminate", (SessionNotFound, CallTimeout, MailboxFull), lambda: sessions.terminate(id))
        else:
            self.attempt("move", (*GONE, SessionAlreadyStarted), lambda: sessions.move(id, new_id))

    def ledger(self) -> None:
        id = self.rng.choice(LEDGERS)
        if self.attempt("dispatch, ledger", (), lambda: sessions.ref(id).dispatch("count.add")) is not None:
            self.added[id] += 1


class AsyncActor(Actor):
    """A coroutine's; all on one event loop."""

    async def run(self, stop: Any) -> None:
        """Act until told to stop."""
        verbs = (self.start, self.dispatch, self.changes, self.ask, self.effect, self.travel, self.end, self.ledger)
        while not stop.is_set():
            await self.rng.choices(verbs, (8, 20, 4, 8, 6, 4, 1, 4))[0]()
            await asyncio.sleep(self.rng.random() * 0.008)

    async def start(self) -> None:
        verb, allowed = self.rng.choice(((sessions.astart_session, START), (sessions.aget_or_start, START[1:])))
        id, process, snapshot = self.any_id(), self.any_process(), self.any_snapshot()
        await self.aattempt(verb.__name__, allowed, lambda: verb(id, process, snapshot=snapshot))

    async def dispatch(self) -> None:
        ref, payload, rng = sessions.ref(self.any_id()), self.any_payload(), self.rng
        match rng.randrange(4):
            case 0:
                failing = (*GONE, ReducerError)
                await self.aattempt("adispatch that fails", failing, lambda: ref.adispatch("count.fail"))
            case 1:
                impatient = (*GONE, TimeoutError)
                await self.aattempt(
                    "adispatch, given up", impatient, lambda: asyncio.wait_for(ref.adispatch("count.add"), 0.0001)
                )
            case _:
                await self.aattempt("adispatch", GONE, lambda: ref.adispatch("count.add", payload))

    async def changes(self) -> None:
        ref, patience = sessions.ref(self.any_id()), self.rng.random() * 0.2

        async def watch() -> None:
            points = []
            async with asyncio.timeout(patience), ref.changes(n="count.n") as changes:
                async for change in changes:
                    points.append((change.epoch, change.version))
                    if points != sorted(points):
                        self.findings.append(f"changes: versions went back: {points}")

        await self.aattempt("changes", (*GONE, TimeoutError), watch)

    async def ask(self) -> None:
        ref, rng = sessions.ref(self.any_id()), self.rng
        request = self.any_request()
        if rng.random() < 0.2:
            given_up = (*CALL, TimeoutError)
            await self.aattempt("acall, given up", given_up, lambda: asyncio.wait_for(ref.acall(request), 0.001))
        else:
            await self.aattempt("acall", CALL, lambda: ref.acall(request))

    async def effect(self) -> None:
        ref, rng = sessions.ref(self.any_id()), self.rng
        type, payload, meta = self.any_effect()
        handle = await self.aattempt("adispatch_async", GONE, lambda: ref.adispatch_async(type, payload, meta=meta))
        if handle is not None and rng.random() < 0.3:
            self.attempt("handle.cancel", (), handle.cancel)
        if handle is not None:
            await self.aattempt("await handle", RESULT, lambda: asyncio.wait_for(handle, 0.05))

    async def travel(self) -> None:
        ref = sessions.ref(self.any_id())
        verb = self.rng.choice((ref.aundo, ref.aredo))
        await self.aattempt(verb.__name__, TRAVEL, verb)

    async def end(self) -> None:
        id, new_id = self.any_id(), self.any_id()
        if self.rng.random() < 0.5:
            gone = (SessionNotFound, CallTimeout, MailboxFull)
            await self.aattempt("aterminate", gone, lambda: sessions.aterminate(id))
        else:
            await self.aattempt("amove", (*GONE, SessionAlreadyStarted), lambda: sessions.amove(id, new_id))

    async def ledger(self) -> None:
        id = self.rng.choice(LEDGERS)
        version = await self.aattempt("adispatch, ledger", (), lambda: sessions.ref(id).adispatch("count.add"))
        if version is not None:
            self.added[id] += 1


NO = (None, 0)
