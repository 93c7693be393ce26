"""Ending a session whose handler does not return yet."""

import asyncio
import threading

import pytest
from racing import until

from phoenix_sessions import CallTimeout, MailboxFull, Reply, SessionProcess, sessions
from phoenix_sessions.runtime import mailbox, supervisor
from phoenix_sessions.testing import settle


class Stuck(SessionProcess):
    reducers = []
    entered = threading.Event()
    leave = threading.Event()

    def handle_call(self, request, state):
        self.entered.set()
        self.leave.wait(10)
        return Reply("left")


@pytest.fixture
def stuck(settings):
    """A session whose handler runs on another thread until ``leave`` is set."""
    settings.PHOENIX_SESSIONS = {"RATE_LIMIT": None, "CALL_TIMEOUT": 0.01}
    Stuck.entered.clear()
    Stuck.leave.clear()
    ref = sessions.start_session("stuck", Stuck)
    thread = threading.Thread(target=ref.call, args=("wait", 10))
    thread.start()
    assert Stuck.entered.wait(10)
    yield ref
    Stuck.leave.set()
    thread.join()


def test_a_session_whose_end_was_not_waited_for_ends_all_the_same(stuck):
    with pytest.raises(CallTimeout):
        stuck.terminate()

    Stuck.leave.set()
    settle()

    assert not stuck.started()


async def test_a_cancelled_terminate_is_not_taken_back(stuck):
    task = asyncio.create_task(stuck.aterminate())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    Stuck.leave.set()
    await asyncio.to_thread(settle)

    assert not await stuck.astarted()


@pytest.fixture
def full(stuck, monkeypatch):
    """The same with as many messages waiting as a mailbox takes, and what a subscriber of it is told."""
    monkeypatch.setattr(mailbox, "MAILBOX_LIMIT", 2)
    told = []
    stuck._session().post(True, stuck._session().subscribe, {"all": None}, Telling(told))
    stuck.dispatch_nowait("any")
    with pytest.raises(MailboxFull):
        stuck.dispatch_nowait("one.more")
    return stuck, told


class Telling:
    def __init__(self, told):
        self.told = told

    def changed(self, changes, epoch, version):
        self.told.append(version)

    def ended(self, event, reason):
        self.told.append((event, reason))


def test_a_full_mailbox_takes_the_end_and_the_subscribers_are_told(full):
    ref, told = full
    with pytest.raises(CallTimeout):
        ref.terminate("logout")

    Stuck.leave.set()
    settle()

    assert told == [0, ("terminated", "logout")]
    assert not ref.started()


def test_a_shutdown_that_a_handler_holds_up_is_told_to_the_subscribers_when_that_returns(full, monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.01)
    ref, told = full
    session = ref._session()

    sessions.supervisor.stop()
    assert not ref.started()
    Stuck.leave.set()
    until(lambda: not session.busy)

    assert told == [0, ("terminated", "shutdown")]
    assert session.ended == "shutdown"
