"""What tests of owned sessions share: a process, and hands on what its owner does in its own time."""

import asyncio
import threading
import time
from concurrent.futures import Future
from contextvars import Context

from shared.lab import VERBS, refused

from phoenix_sessions import NoReply, Reducer, SessionProcess, effect, on
from phoenix_sessions.shared.owned import Owned

PATIENCE = 20


class Count(Reducer):
    name = action_prefix = "count"

    def init_state(self):
        return 0

    @on("add")
    def add(self, action, state):
        return state + 1

    @effect("wait")
    async def wait(self, action, dispatch, state):
        await asyncio.Event().wait()


class Room(SessionProcess):
    reducers = [Count]
    durability = "write_behind"

    def handle_cast(self, request, state):
        self.send_after(3600, "later")
        return NoReply(state)


def flush(worker):
    """Do at once what the flusher does in its time: renew all leases, and write."""
    flusher = worker.shared.flusher

    async def work():
        await asyncio.gather(*flusher.begin_renewing())
        await asyncio.gather(*flusher.begin_writing())

    on_loop(worker, work)


def tell_ends(worker):
    """Have the engine learn of what has ended."""
    comes(lambda: flush(worker) or not worker.shared.engine.ending)


def on_loop(worker, coroutine_function):
    """Run a coroutine where the worker does what nobody waits for."""
    done = Future()

    def finish(task):
        error = task.exception()
        done.set_result(task.result()) if error is None else done.set_exception(error)

    worker.supervisor.background.launch(Context(), coroutine_function, finish)
    return done.result(PATIENCE)


def owned(worker, id="s"):
    session = worker.supervisor.registry.get(id)
    assert isinstance(session, Owned)
    return session


def expire_lease(backend, worker, id="s"):
    """Let the lease of a session's owner run out, of which he does not know."""
    backend.release(*owned(worker, id).written.ownership.key)


def stand_still(backend, worker, id="s"):
    """Let the owner stand still for longer than its lease."""
    expire_lease(backend, worker, id)
    written = owned(worker, id).written
    written.ownership = written.ownership._replace(until=worker.supervisor.now() - 1)
    worker.shared.engine.pulse.wake()


def is_free(backend, id):
    """Return whether nobody has the lease of a session."""
    claim = backend.claim(f"owner/{id}", "a test", 3600)
    if claim.fence is not None:
        backend.release(f"owner/{id}", "a test", claim.fence)
    return claim.fence is not None


def comes(condition, seconds=PATIENCE):
    """Wait until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.005)


def down(backend, *verbs):
    """Let the engine refuse these verbs, or all, until it is calmed."""
    for verb in verbs or VERBS:
        backend.before(verb, *[refused] * 100_000)


class Hang:
    """Has an async verb of a backend hang for one session until the test lets it go.

    Attributes:
        entered: Set once somebody hangs.
    """

    def __init__(self, backend, verb, id, *, answered=False):
        self.entered, self._released = threading.Event(), threading.Event()
        self._id, self._answered = id, answered
        self._original = getattr(backend, f"a{verb}")
        setattr(backend, f"a{verb}", self._verb)

    async def _verb(self, name, *args):
        hangs = name.endswith(self._id) and not self._released.is_set()
        if not hangs:
            return await self._original(name, *args)
        answer = await self._original(name, *args) if self._answered else None
        self.entered.set()
        while not self._released.is_set():  # noqa: ASYNC110  # it is another thread that lets it go
            await asyncio.sleep(0.002)
        return answer if self._answered else await self._original(name, *args)

    def wait(self):
        assert self.entered.wait(PATIENCE)

    def release(self):
        self._released.set()


class Doing(threading.Thread):
    """Something that is done on a thread of its own."""

    def __init__(self, work, *args, **options):
        super().__init__(daemon=True)
        self._work = lambda: work(*args, **options)
        self._answer = None
        self._error = None
        self.start()

    def run(self):
        try:
            self._answer = self._work()
        except Exception as error:
            self._error = error

    def result(self):
        self.join(PATIENCE)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self._answer
