"""``python -m bench.soak [--seconds 600] [--seed 1]``: everything at once, at random, for long; and nothing is left.

Rules:
    1. Two phases in one process, the second twice as long as the first; after each, all of the checks. What the second
       leaves in memory beyond the first is a leak: at most ``GROWTH`` more, where the run is long enough to tell.
    2. After a phase idle sessions must expire by themselves; only those without a TTL are terminated.
    3. The checks use the package's own counts and the garbage collector's: no object of a session may be alive.
    4. In the first phase a telemetry handler looks on at commits, so that every message takes the ordinary way; in the
       second none does, so they take the short ways where they can.
    5. Exits with 1 if a check fails. It ends by itself, even when something hangs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from .memory import resident_bytes
from .site import configure

GROWTH = 1.05
TELLING_SECONDS = 120
THREADS = 4
COROUTINES = 12
LIMIT = 100
PROGRESS_SECONDS = 10.0
EVENTS = [
    *(f"session.{event}" for event in ("start", "stop", "start_error", "expire", "restart", "crash")),
    *(f"effect.{event}" for event in ("start", "stop", "cancel", "exception")),
    *("communication_error", "cleanup_error"),
]


class Check(NamedTuple):
    """Something that must hold; ``holds`` is None where the run is too short to tell."""

    phase: str
    name: str
    holds: bool | None
    seen: str


class Report(logging.Handler):
    """What the package tells: how often each line came in its log, each event, and the errors nobody asked for."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._events_lock = threading.Lock()
        self.lines: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.findings: list[str] = []

    def event(self, event: str, *_: object) -> None:
        """Count a telemetry event."""
        with self._events_lock:
            self.events[event.removeprefix("phoenix_sessions.")] += 1

    def emit(self, record: logging.LogRecord) -> None:
        from phoenix_sessions import SessionError

        from .soaked import AsAskedError

        self.lines[str(record.msg)] += 1
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, AsAskedError | SessionError) and len(self.findings) < 20:
            self.findings.append(self.format(record))


def main(arguments: list[str] | None = None) -> int:
    """Run both phases and show what was found; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").partition(":")[2])
    parser.add_argument("--seconds", type=float, default=600, help="of both phases together (default: 600)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    configure(MAX_SESSIONS=LIMIT)
    from phoenix_sessions import sessions, telemetry

    from .table import show_soak

    report = Report()
    telemetry.attach_many("soak", [f"phoenix_sessions.{event}" for event in EVENTS], report.event)
    for name in ("phoenix_sessions", "asyncio"):
        logging.getLogger(name).addHandler(report)
        logging.getLogger(name).propagate = False
    threading.excepthook = lambda hook: report.findings.append(f"{hook.thread}: {hook.exc_type} {hook.exc_value}")
    sys.unraisablehook = lambda hook: report.findings.append(f"{hook.object}: {hook.exc_type} {hook.exc_value}")
    threads_before = threading.active_count()
    answers: Counter[tuple[str, str]] = Counter()
    checks: list[Check] = []
    resident = []
    telemetry.attach("soak: commits", "phoenix_sessions.commit", report.event)
    for phase, share in (("first", 1 / 3), ("second", 2 / 3)):
        found = _phase(phase, options.seconds * share, f"{options.seed} {phase}", answers)
        checks += found
        resident.append(resident_bytes())
        if any(check.holds is False for check in found):
            break
        if phase == "first":
            telemetry.detach("soak: commits")
    else:
        growth, telling = resident[1] / resident[0], options.seconds >= TELLING_SECONDS
        seen = f"{resident[0] / 2**20:.1f} MiB, then {resident[1] / 2**20:.1f} MiB: {growth:.3f}"
        checks.append(Check("both", f"memory within {GROWTH}", growth <= GROWTH if telling else None, seen))
    sessions.supervisor.stop()
    ended = _until(lambda: threading.active_count() == threads_before)
    checks.append(Check("both", "no thread is left", ended, f"{threading.active_count() - threads_before} more"))
    checks.append(
        Check("both", "no other error in the log", not report.findings, "\n".join(report.findings[:3]) or "-")
    )
    starts, stops = report.events["session.start"], report.events["session.stop"]
    checks.append(Check("both", "every start has its end", starts == stops, f"{starts:,} starts, {stops:,} ends"))
    show_soak(answers, report.events, report.lines, checks)
    return int(any(check.holds is False for check in checks))


def _phase(phase: str, seconds: float, seed: str, answers: Counter[tuple[str, str]]) -> list[Check]:
    """Let the actors act, then check what they have left."""
    found = _acted(phase, seconds, seed, answers)
    if all(holds for _, holds, _ in found):
        found += _check_nothing_is_left()
    return [Check(phase, *each) for each in found]


def _acted(phase: str, seconds: float, seed: str, answers: Counter[tuple[str, str]]) -> list[tuple[str, bool, str]]:
    """Let the actors act and the sessions end; returns what was checked meanwhile, and keeps nothing."""
    from phoenix_sessions import sessions

    from . import soaked, soakers

    ledgers = [sessions.start_session(id, soaked.Ledger) for id in soakers.LEDGERS]
    sync_actors = [soakers.SyncActor(f"{seed} thread {number}") for number in range(THREADS)]
    async_actors = [soakers.AsyncActor(f"{seed} coroutine {number}") for number in range(COROUTINES)]
    actors: list[soakers.Actor] = [*sync_actors, *async_actors]
    stop = threading.Event()

    async def act() -> None:
        await asyncio.gather(*(actor.run(stop) for actor in async_actors))

    threads = [threading.Thread(target=actor.run, args=(stop,), daemon=True) for actor in sync_actors]
    threads.append(threading.Thread(target=lambda: asyncio.run(act()), daemon=True))
    for thread in threads:
        thread.start()
    _watch(phase, seconds, actors, soakers.PATIENCE)
    stop.set()
    ended = _until(lambda: not any(thread.is_alive() for thread in threads), soakers.PATIENCE)
    for actor in actors:
        answers.update(actor.answers)
    found = [("actors end", ended, f"{len(actors)}"), *_check_answers(actors)]
    if not ended:
        return found
    found += _check_values(actors, ledgers)
    for actor in actors:
        for subscription, _ in actor.subscriptions:
            subscription.unsubscribe()
    kept = sum(len(ref._session().subscriptions.subscribers) for ref in ledgers)
    found.append(("the unsubscribed are forgotten", not kept, f"{kept} kept by {len(ledgers)} ledgers"))
    expired = _until(lambda: len(sessions.list_sessions()) == len(ledgers))
    found.append(("idle sessions expire", expired, f"{len(sessions.list_sessions()) - len(ledgers)} did not"))
    sessions.terminate_sessions(soakers.LEDGERS)
    return [*found, *_check_stoppers(actors)]


def _watch(phase: str, seconds: float, actors: list[Any], patience: float) -> None:
    """Show progress until the time is over, or something hangs or fails."""
    from phoenix_sessions import sessions

    started = shown = time.monotonic()
    while (now := time.monotonic()) < started + seconds and not _hung(actors, patience):
        time.sleep(min(0.2, max(0.0, started + seconds - now)))
        if now - shown >= PROGRESS_SECONDS:
            shown = now
            count, background = sum(actor.begun.total() for actor in actors), sessions.supervisor.background
            print(
                f"{phase} phase, {now - started:.0f} of {seconds:.0f} s: {count:,} actions, "
                f"{len(sessions.list_sessions())} sessions, {background.pending} at work in the background, "
                f"{threading.active_count()} threads, {resident_bytes() / 2**20:.1f} MiB",
                flush=True,
            )


def _hung(actors: list[Any], patience: float) -> list[str]:
    now = time.monotonic()
    return [doing[0] for actor in actors if (doing := actor.doing) is not None and now - doing[1] > patience]


def _check_answers(actors: list[Any]) -> list[tuple[str, bool, str]]:
    """Check that every action was answered, by what may answer it."""
    begun = sum(actor.begun.total() for actor in actors)
    answered = sum((actor.answers for actor in actors), Counter())
    open_verbs = [actor.doing[0] for actor in actors if actor.doing is not None]
    findings = [finding for actor in actors for finding in actor.findings]
    return [
        ("every action was answered", begun == answered.total(), f"{begun:,}; open: {', '.join(open_verbs) or 'none'}"),
        ("answers are documented", not findings, "\n".join(findings[:2]) or f"{len(answered)} kinds of answer"),
    ]


def _check_values(actors: list[Any], ledgers: list[Any]) -> list[tuple[str, bool, str]]:
    """Check what the subscribers have seen, and that nothing that was answered is lost."""
    subscriptions = [held for actor in actors for held in actor.subscriptions]

    def behind() -> int:
        living = [(subscription._session, seen) for subscription, seen in subscriptions if subscription.active]
        return sum(seen.last != session.state["count"] for session, seen in living)  # equal ones are not told again

    current = _until(lambda: not behind())
    living, wrong = sum(held[0].active for held in subscriptions), sum(seen.wrong for _, seen in subscriptions)
    added = sum((actor.added for actor in actors), Counter())
    lost = {ref.id: added[ref.id] - ref.get_state("count.n") for ref in ledgers}
    return [
        ("subscribers have the last value", current, f"{living} live, {behind()} behind"),
        ("nothing comes after the end", not wrong, f"{len(subscriptions)} looked at"),
        ("no update is lost", not any(lost.values()), f"{added.total():,} counted, {sum(lost.values())} lost"),
    ]


def _check_stoppers(actors: list[Any]) -> list[tuple[str, bool, str]]:
    """Check that what an effect leaves is called once, now that all sessions have ended."""
    stoppers = [each for actor in actors for each in actor.stoppers]

    def right() -> bool:
        return all(stop.calls == 1 or (handle.cancelled() and not stop.calls) for handle, stop in stoppers)

    return [("what effects leave is called once", _until(right), f"{len(stoppers)} looked at")]


def _check_nothing_is_left() -> list[tuple[str, bool, str]]:
    """Check that sessions, subscriptions, timers, tasks, effects and threads are gone."""
    from phoenix_sessions import sessions
    from phoenix_sessions.core.subscriber import Subscriber
    from phoenix_sessions.runtime import background
    from phoenix_sessions.runtime.effect import Effect
    from phoenix_sessions.runtime.session import Session

    supervisor = sessions.supervisor
    counts: dict[str, Callable[[], int]] = {
        "sessions registered": lambda: len(supervisor.registry.all()),
        "sessions filed for expiry": lambda: len(supervisor.expiry),
        "timers": lambda: len(supervisor.timers),
        "background work": lambda: supervisor.background.pending,
        "tasks": lambda: max(0, len(supervisor.background._tasks) - 1),  # one is the companion's
    }
    found = [(f"no {name} left", _until(lambda c=count: not c()), f"{count()}") for name, count in counts.items()]
    allowed = 2 + background.WORKERS + background.EFFECT_WORKERS
    found.append(("no thread beyond the pools'", threading.active_count() <= allowed, f"{threading.active_count()}"))
    for kind in (Session, Subscriber, Effect):
        gone = _until(lambda k=kind: not _alive(k))
        found.append((f"no {kind.__name__} in memory", gone, f"{_alive(kind)}"))
    return found


def _alive(kind: type) -> int:
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


def _until(condition: Callable[[], bool], timeout: float = 15.0) -> bool:
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


if __name__ == "__main__":
    sys.exit(main())
