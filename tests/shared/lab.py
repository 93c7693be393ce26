"""A backend that tests can count, hold up and break, and the smallest processes for shared sessions."""

import asyncio
import contextlib
import threading
from collections import Counter, defaultdict

from hypothesis import strategies as st

from phoenix_sessions import BackendUnavailable, NoReply, Reducer, Reply, SessionProcess, on, throttle
from phoenix_sessions.backends.memory import MemoryBackend
from phoenix_sessions.runtime.mailbox import take_turn

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values) | st.tuples(values, values),
    max_leaves=8,
)
"""Plain data of all kinds."""

VERBS = ("load", "create", "commit", "touch", "expire", "delete", "log", "actions", "claim", "renew", "release")


class LabBackend(MemoryBackend):
    """The backend in memory, which counts its verbs and does what ``before`` and ``after`` of a test say.

    Attributes:
        asked: How many times each verb was asked for.
        commits: What was committed, or tried to.
    """

    def __init__(self, options, clock=None):
        super().__init__(options, clock)
        self.asked = Counter()
        self.commits = []
        self._before = defaultdict(list)
        self._after = defaultdict(list)

    def before(self, verb, *functions):
        """Call each of the functions with what the verb is given, one at each of its next uses, before it is done."""
        self._before[verb] += functions

    def after(self, verb, *functions):
        """The same, once it is done."""
        self._after[verb] += functions

    def calm(self):
        """Forget what was to be done and what was counted."""
        self._before.clear()
        self._after.clear()
        self.asked.clear()
        self.commits.clear()

    @property
    def sessions(self):
        return self._sessions


def _verb(name):
    def verb(self, *args):
        self.asked[name] += 1
        if name == "commit":
            self.commits.append(args[1])
        if self._before[name]:
            self._before[name].pop(0)(*args)
        try:
            return getattr(MemoryBackend, name)(self, *args)
        finally:
            if self._after[name]:
                self._after[name].pop(0)(*args)

    return verb


for _name in VERBS:
    setattr(LabBackend, _name, _verb(_name))


class AsyncGate:
    """Holds up an async verb of a backend on its event loop: as if it was on its way."""

    def __init__(self, backend, verb, *, answered=False):
        self.entered, self.open = asyncio.Event(), asyncio.Event()
        self._backend, self._name, self._original = backend, f"a{verb}", getattr(backend, f"a{verb}")
        self._answered = answered
        setattr(backend, self._name, self._verb)

    async def _verb(self, *args):
        setattr(self._backend, self._name, self._original)
        if self.entered.is_set():  # who is here was on the way before, and tries again
            return await self._original(*args)
        answer = await self._original(*args) if self._answered else None
        self.entered.set()
        await self.open.wait()
        return answer if self._answered else await self._original(*args)


class Gate:
    """A function for ``before`` or ``after`` that waits until the test lets it go."""

    def __init__(self):
        self.entered, self.release = threading.Event(), threading.Event()

    def __call__(self, *args):
        self.entered.set()
        assert self.release.wait(10)


def lost(*args):
    """The answer is lost, whether it was done or not."""
    raise BackendUnavailable("as asked", maybe=True)


def refused(*args):
    """The engine could not be reached."""
    raise BackendUnavailable("as asked", maybe=False)


def fine(*args):
    """Do nothing."""


def settle(*managers, timeout=10):
    """Wait until nothing is under way in these workers."""
    for _ in range(3):
        for manager in managers:
            background = manager.supervisor.background
            for _ in range(4):  # the turns of the loop in which a watch begins, or tells
                assert not background.running or background.answers(timeout)
            for session in manager.supervisor.registry.all():
                with contextlib.suppress(Exception):
                    session.ask(True, timeout, take_turn)
            assert background.wait_idle(timeout)


def replica(manager, id="room"):
    """The session as this worker has it, or None."""
    return manager.supervisor.registry.get(id)


def listen(ref, selector="tally"):
    """Subscribe, and return the list of what is heard."""
    heard = []
    ref.subscribe(selector, receiver=lambda event, value: heard.append((event, value)))
    return heard


class Tally(Reducer):
    """Keeps what it was given."""

    name = "tally"

    def init_state(self):
        return ()

    @on("add")
    def add(self, action, state):
        return (*state, action.payload)

    @on("same")
    def same(self, action, state):
        return state

    @on("empty")
    def empty(self, action, state):
        return ()

    @on("fail")
    def fail(self, action, state):
        raise ValueError("as asked")

    @on("rarely")
    @throttle(10)
    def rarely(self, action, state):
        return (*state, action.payload)


class Count(Reducer):
    name = "count"

    def init_state(self):
        return 0

    @on("up")
    def up(self, action, state):
        return state + 1


class Room(SessionProcess):
    """A tally, a count, and own keys; a call returns what it was asked with."""

    reducers = [Tally, Count]

    def handle_call(self, request, state):
        match request:
            case "crash":
                raise ValueError("as asked")
            case ("put", key, value):
                return Reply(value, {**state, key: value})
            case ("drop", key):
                return Reply(None, {name: value for name, value in state.items() if name != key})
            case ("more",):
                return Reply(state.get("n", 0) + 1, {**state, "n": state.get("n", 0) + 1})
        return Reply(request)

    def handle_info(self, message, state):
        return NoReply({**state, "info": message})
