"""Agents that are functions of the site."""

import asyncio
import contextlib
import sys
import threading

import pytest
from chat.scripted import wait_until

from phoenix_sessions.contrib.chat import agents, live, storage
from phoenix_sessions.contrib.chat.agents import Reply, callables
from phoenix_sessions.contrib.chat.agents.service import service
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.contrib.chat.types import Draft

pytestmark = pytest.mark.parametrize("alias", ["sqlite"], indirect=True)


@pytest.fixture
def talk(chat, settings):
    """Alice's conversation with the robot, who is a function."""
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": chat.alias, "AGENT_DEBOUNCE": 0.01}
    service.stop(20)
    yield storage.create_conversation(chat.alice, [chat.robot]).conversation.id
    service.stop(20)
    callables.forget(chat.robot)


def ask(talk, text):
    gateway.append(Draft(talk, "user:alice", {"text": text}))
    wait_until(lambda: storage.delivered_seq(talk, "agent:robot") == storage.show_conversation(talk, None).last_seq)
    return storage.history(talk, None).messages[1:]


def log():
    return [(each.attempt, str(each.status), each.error) for each in storage.list_deliveries("agent:robot").deliveries]


def echo(turn):
    return turn.text


async def aecho(turn):
    await asyncio.sleep(0)
    return {"content": {"text": turn.text}, "metadata": {"model": "echo"}}


class Echo:
    """An object that can be called."""

    async def __call__(self, turn):
        return Reply({"text": turn.text})


@pytest.mark.parametrize("function", [echo, aecho, Echo()])
def test_what_a_function_returns_is_the_reply(talk, function):
    agents.agent("agent:robot")(function)
    (reply,) = ask(talk, "hello")
    assert (reply.content, reply.sender, reply.kind) == ({"text": "hello"}, "agent:robot", "assistant")
    assert log() == [(1, "delivered", "")]


@pytest.mark.parametrize("nothing", [None, "", {}, {"content": {}}])
def test_a_function_may_say_nothing(talk, nothing):
    agents.agent("agent:robot")(lambda turn: nothing)
    assert ask(talk, "hello") == ()
    assert log() == [(1, "delivered", "")]


def test_a_function_runs_on_a_thread_and_a_coroutine_on_the_agents_loop(talk):
    names = []

    def here(turn):
        names.append(threading.current_thread().name)

    async def there(turn):
        names.append(threading.current_thread().name)

    for function in (here, there):
        agents.agent("agent:robot")(function)
        ask(talk, "hello")
    assert names[0].startswith("phoenix_chat-agent_")
    assert names[1] == "phoenix_chat-agents"


def test_what_a_generator_yields_is_told_and_stored_as_one_message(talk):
    @agents.agent("agent:robot")
    async def spell(turn):
        for letter in turn.text:
            yield letter
        yield "x" * 20_000

    told = []
    listener = live.conversation_stream(talk).subscribe(told.append)
    (reply,) = ask(talk, "abc")
    wait_until(lambda: [each.name for each in told].count("message") == 2)
    listener.unsubscribe()
    chunks = [each.payload for each in told if each.name == "stream_chunk"]
    assert reply.content["text"] == "abc" + "x" * 20_000 == "".join(each["text"] for each in chunks)
    assert [each["index"] for each in chunks] == list(range(6))
    assert told[-1].name == "message"


def boom(turn):
    raise ValueError("boom")


async def number(turn):
    return 5


async def numbers(turn):
    yield 5


async def flood(turn):
    while True:
        yield "x" * 100_000


def leave(turn):
    sys.exit(3)


async def aleave(turn):
    raise KeyboardInterrupt


def stop(turn):
    raise StopIteration


async def cancel(turn):
    raise asyncio.CancelledError


async def impatient(turn):
    raise TimeoutError("mine")


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (boom, "ValueError: boom"),
        (number, "no JSON object"),
        (numbers, "must be a text"),
        (flood, "too large"),
        (leave, "SystemExit: 3"),
        (aleave, "KeyboardInterrupt"),
        (stop, "StopIteration"),
        (cancel, "CancelledError"),
        (impatient, "TimeoutError: mine"),
        (lambda turn: "x" * 100_000, "may be 65536"),
    ],
)
def test_a_function_that_fails_is_logged_and_not_called_again(talk, function, error):
    agents.agent("agent:robot")(function)
    assert ask(talk, "hello") == ()
    ((attempt, status, logged),) = log()
    assert (attempt, status) == (1, "failed")
    assert error in logged


def test_a_function_that_is_not_ready_in_time_is_not_waited_for(talk):
    released = threading.Event()

    def slow(turn):
        released.wait(20)

    async def aslow(turn):
        await asyncio.Event().wait()

    async def slowly(turn):
        yield "begin"
        await asyncio.Event().wait()

    async def endless(turn):
        while True:
            yield ""

    async def stubborn(turn):
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    for function in (slow, aslow, slowly, endless, stubborn):
        agents.agent("agent:robot", timeout=0.05)(function)
        ask(talk, "hello")
    released.set()
    assert [each[:2] for each in log()] == [(1, "timeout")] * 5
    assert {each.sender for each in storage.history(talk, None).messages} == {"user:alice"}


def test_functions_that_hang_hold_up_no_other_agent(talk, chat, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENT_CONCURRENCY": 4}
    released = threading.Event()
    agents.agent("agent:robot", timeout=0.05)(lambda turn: released.wait(20))
    for number in range(3):  # of one agent, one may run at once: the others wait for that in vain
        ask(talk, str(number))
    assert [each[:2] for each in log()] == [(1, "timeout")] * 3
    storage.create_participant("agent:other", "agent")
    agents.agent("agent:other")(echo)
    other = storage.create_conversation(chat.alice, ["agent:other"]).conversation.id
    gateway.append(Draft(other, chat.alice, {"text": "hello"}))
    wait_until(lambda: storage.show_conversation(other, None).last_seq == 2)
    hanging = [each for each in threading.enumerate() if each.name == "phoenix_chat-agent_agent:robot"]
    released.set()
    callables.forget("agent:other")
    assert len(hanging) == 1


def test_the_settings_may_say_which_function_an_agent_is(talk, settings):
    settings.PHOENIX_SESSIONS_CHAT = {
        **settings.PHOENIX_SESSIONS_CHAT,
        "AGENTS": {"agent:robot": "chat.shouting.shout"},
    }
    (reply,) = ask(talk, "hello")
    assert reply.content == {"text": "HELLO"}


def test_a_function_of_a_disabled_participant_is_not_called(talk, chat):
    agents.agent("agent:robot")(echo)
    storage.set_participant_status(chat.robot, "disabled")
    assert ask(talk, "hello") == ()
    assert log() == []


def test_what_is_sent_to_an_agent_that_nobody_knows_waits_until_it_is_there(talk, settings):
    settings.PHOENIX_SESSIONS_CHAT = {**settings.PHOENIX_SESSIONS_CHAT, "AGENT_LOOK": 0.05}
    gateway.append(Draft(talk, "user:alice", {"text": "early"}))
    agents.agent("agent:robot")(echo)
    wait_until(lambda: storage.show_conversation(talk, None).last_seq == 2)
    assert storage.history(talk, None).messages[1].content == {"text": "early"}


def test_an_agent_may_send_more_by_itself_while_it_answers(talk, chat):
    @agents.agent("agent:robot")
    def chatty(turn):
        gateway.append(Draft(turn.conversation.id, turn.agent, {"text": "one moment"}))
        return "done"

    assert [each.content["text"] for each in ask(talk, "hello")][:2] == ["one moment", "done"]
    assert len(log()) == 1
