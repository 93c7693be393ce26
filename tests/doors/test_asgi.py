"""The application around the application: the life of the server, and signals."""

import signal

import pytest
from channels.routing import ProtocolTypeRouter

from phoenix_sessions import sessions
from phoenix_sessions.asgi import SessionLifespan
from phoenix_sessions.sigterm import StopFirst


@pytest.fixture(autouse=True)
def own_handlers():
    """The handlers of this process stay as they are."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def live(application):
    """Have the application live from startup to shutdown; return what it said."""
    events = iter(["lifespan.startup", "lifespan.shutdown"])
    said = []

    async def receive():
        return {"type": next(events)}

    async def send(event):
        said.append(event["type"])

    await application(scope={"type": "lifespan"}, receive=receive, send=send)
    return said


async def nothing(scope, receive, send):
    """Serve nobody."""


async def test_the_shutdown_event_stops_the_sessions():
    assert await live(SessionLifespan(nothing)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    assert sessions.stopping


async def test_an_application_with_a_life_of_its_own_has_it_once_the_sessions_have_stopped():
    seen = []

    async def own(scope, receive, send):
        for _ in range(2):
            event = await receive()
            seen.append((event["type"], sessions.stopping))

    await live(SessionLifespan(ProtocolTypeRouter({"lifespan": own})))

    assert seen == [("lifespan.startup", False), ("lifespan.shutdown", True)]


async def test_other_connections_are_the_applications():
    seen = []

    async def application(scope, receive, send):
        seen.append((scope["type"], receive, send))

    await SessionLifespan(application)(scope={"type": "http"}, receive=1, send=2)

    assert seen == [("http", 1, 2)]


def test_checks_find_the_routes_of_the_application():
    router = ProtocolTypeRouter({"http": nothing, "websocket": nothing})

    assert SessionLifespan(router).application_mapping.keys() == {"http", "websocket"}


async def test_the_first_connection_puts_the_handlers_in_place_once():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for _ in range(2):
        await SessionLifespan(nothing)({"type": "http"}, None, None)

    assert isinstance(signal.getsignal(signal.SIGINT), StopFirst)
    assert not isinstance(signal.getsignal(signal.SIGINT)._before, StopFirst)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # who ignores it is not to be stopped by it
