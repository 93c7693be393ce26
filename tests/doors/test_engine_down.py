"""While the engine of a shared backend cannot be asked, visitors are told to come back, and nothing is lost of them."""

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from testsite.consumers import CounterConsumer

from doors.sockets import ID, close_code, connected, plug
from doors.test_consumer_dispatch import answer
from doors.test_views import visit
from phoenix_sessions import BackendError, BackendUnavailable, Reducer, SessionProcess, on, sessions
from phoenix_sessions.backends.memory import MemoryBackend
from phoenix_sessions.identity import LEFT
from phoenix_sessions.testing import receive_change

KINDS = pytest.mark.parametrize("kind", ["", "async-"], ids=["sync view", "async view"])
VERBS = ("load", "create", "commit", "touch", "expire", "delete")


class Engine(MemoryBackend):
    """A backend that fails at will.

    Attributes:
        failure: What its verbs raise, if anything.
        applies: Whether a commit is done all the same.
    """

    failure = None
    applies = False


def failing(name):
    def verb(self, *args):
        if Engine.failure is None or (Engine.applies and name == "commit"):
            result = getattr(super(Engine, self), name)(*args)
        if Engine.failure is not None:
            raise Engine.failure
        return result

    async def averb(self, *args):
        return verb(self, *args)

    return verb, averb


for verb in VERBS:
    plain, awaited = failing(verb)
    setattr(Engine, verb, plain)
    setattr(Engine, f"a{verb}", awaited)


@pytest.fixture
def engine(settings, monkeypatch):
    """A function that lets the engine fail."""
    settings.PHOENIX_SESSIONS = {
        **settings.PHOENIX_SESSIONS,
        "BACKEND": Engine,
        "DURABILITY": "write_through",
        "BACKEND_PATIENCE": 0.1,
        "MAX_STATE_BYTES": 500,
    }

    def fail(failure, *, applies=False):
        monkeypatch.setattr(Engine, "failure", failure)
        monkeypatch.setattr(Engine, "applies", applies)

    yield fail
    fail(None)


DOWN = BackendUnavailable("as asked")


@KINDS
def test_a_view_answers_503_with_retry_after(users, engine, kind):
    engine(DOWN)

    response = Client().get(f"/{kind}add")

    assert (response.status_code, response["Retry-After"]) == (503, "1")


@KINDS
def test_the_async_stack_does_so_too(async_visitor, engine, kind):
    engine(DOWN)

    assert async_visitor.get(f"{kind}add")[0] == 503


@KINDS
def test_it_goes_on_when_the_engine_is_back(users, engine, kind):
    client = Client()
    client.get(f"/{kind}add")
    engine(DOWN)
    client.get(f"/{kind}add")
    engine(None)

    assert client.get(f"/{kind}add").json()["version"] == 2


@KINDS
def test_who_logs_in_meanwhile_finds_everything_when_it_is_back(users, engine, kind):
    client = Client()
    old = client.get(f"/{kind}add").json()["id"]
    engine(DOWN)
    assert client.get(f"/{kind}enter?name=ann").status_code == 200
    assert client.get(f"/{kind}add").status_code == 503
    engine(None)

    after = client.get(f"/{kind}add").json()

    assert after["version"] == 2
    assert after["id"] != old
    assert not sessions.started(old)


async def test_a_page_of_who_has_logged_in_meanwhile_finds_everything(engine):
    await (await sessions.astart_session("old")).adispatch("counter.add")
    socket = plug(CounterConsumer)
    socket.scope["session"][LEFT] = "old"
    await socket.connect()

    assert (await receive_change(socket))["version"] == 1
    await socket.disconnect()


def test_a_failure_that_lasts_is_no_503(users, engine):
    engine(BackendError("another kind of server"))

    assert Client(raise_request_exception=False).get("/add").status_code == 500


async def test_a_stream_answers_503(engine):
    await sessions.astart_session(ID)
    engine(DOWN)

    response = await visit(id="another")

    assert (response.status_code, response["Retry-After"]) == (503, "1")


async def test_4013_for_a_socket_that_cannot_join(engine):
    engine(DOWN)

    async with connected(CounterConsumer) as socket:
        assert await close_code(socket) == 4013


async def test_4011_where_what_the_engine_has_makes_no_sense(engine):
    engine(BackendError("another kind of server"))

    async with connected(CounterConsumer) as socket:
        assert await close_code(socket) == 4011


async def test_a_dispatch_is_answered_and_the_socket_stays(engine):
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        engine(DOWN)
        frame = await answer(socket, "counter.add")
        engine(None)

        assert (frame["type"], frame["code"], frame["retry_after"]) == ("error", "unavailable", 1)
        assert (await answer(socket, "counter.add", ref=2))["version"] == 1


async def test_what_may_have_been_applied_is_told_so(engine):
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        engine(BackendUnavailable("as asked", maybe=True), applies=True)
        frame = await answer(socket, "counter.add")
        engine(None)

        assert (frame["type"], frame["code"]) == ("error", "in_doubt")
        assert (await answer(socket, "counter.add", ref=2))["version"] == 2


async def test_an_engine_that_makes_no_sense_fails_the_action_and_the_socket_stays(engine):
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        engine(BackendError("the database refuses what the backend asks of it"))
        frame = await answer(socket, "counter.add")
        engine(None)

        assert (frame["type"], frame["code"]) == ("error", "engine_failed")
        assert (await answer(socket, "counter.add", ref=2))["version"] == 1


async def test_4012_where_the_session_has_gone_and_nobody_says_why(engine, monkeypatch):
    monkeypatch.setattr(Engine, "carries_notices", False)
    async with connected(CounterConsumer) as socket:
        await receive_change(socket)
        sessions.backend.delete(ID, None, b"")
        await socket.send_json_to({"type": "dispatch", "ref": 1, "action": "counter.add", "payload": None})

        assert await close_code(socket) == 4012


class Keeping(Reducer):
    name = "keeping"

    def init_state(self):
        return ""

    @on("keep")
    def keep(self, action, state):
        return action.payload

    @on("break")
    def break_it(self, action, state):
        return object()


class KeepingSession(SessionProcess):
    reducers = [Keeping]


class KeepingConsumer(CounterConsumer):
    subscriptions = {"kept": "keeping"}
    allowed_actions = ["keeping.*"]


@pytest.mark.parametrize(("action", "payload"), [("keep", "x" * 600), ("break", None)])
async def test_a_state_that_cannot_be_kept_fails_the_action_alone(engine, action, payload):
    await sessions.astart_session(ID, KeepingSession)
    async with connected(KeepingConsumer) as socket:
        await receive_change(socket)

        frame = await answer(socket, f"keeping.{action}", payload)

        assert (frame["type"], frame["code"]) == ("error", "action_failed")
        assert (await answer(socket, "keeping.keep", "x", ref=2))["type"] == "ok"


async def test_a_session_of_a_class_that_is_not_here_closes_with_4011(engine):
    backend = sessions.backend
    await sessions.astart_session("other")
    record = await sync_to_async(backend.load)("other")
    birth = record.birth.replace(b"phoenix_sessions.process", b"phoenix_sessions.progress"[:24])
    await sync_to_async(backend.create)(ID, type(record)(record.at, birth, record.state), None)

    async with connected(CounterConsumer) as socket:
        assert await close_code(socket) == 4011
