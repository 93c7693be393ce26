"""The mailbox by itself: every sender is answered once, whatever its work does."""

import asyncio
import contextlib
import sys
import threading

import pytest
from racing import race, until

from phoenix_sessions import CallTimeout, ReentrantCall
from phoenix_sessions.runtime.background import Background
from phoenix_sessions.runtime.mailbox import DRAIN_LIMIT, Mailbox
from phoenix_sessions.runtime.message import Message, Suspended


@pytest.fixture
def background():
    background = Background()
    yield background
    background.stop()


@pytest.fixture
def mailbox(background):
    return Mailbox("box", background)


class Hold:
    """Keeps a mailbox busy on a thread of its own until released."""

    def __init__(self, mailbox):
        self.entered, self.release = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=mailbox.ask, args=(True, None, self._work))
        self.thread.start()
        assert self.entered.wait(10)

    def _work(self):
        self.entered.set()
        assert self.release.wait(10)

    def let_go(self):
        self.release.set()
        self.thread.join(10)


def test_asking_needs_no_thread(mailbox, background):
    assert mailbox.ask(True, None, lambda: threading.get_ident()) == threading.get_ident()
    assert not background.running


def test_what_the_work_raises_reaches_its_sender_and_frees_the_mailbox(mailbox):
    with pytest.raises(LookupError, match="x"):
        mailbox.ask(True, None, {}.__getitem__, "x")
    assert mailbox.ask(True, None, int) == 0


class Interrupt(BaseException):
    """As KeyboardInterrupt, which pytest would take for itself."""


def test_an_interrupt_frees_the_mailbox(mailbox):
    def interrupted():
        raise Interrupt

    with pytest.raises(Interrupt):
        mailbox.ask(True, None, interrupted)
    assert mailbox.ask(True, None, int) == 0


@pytest.mark.parametrize("pure", [True, False])
def test_a_timeout_error_of_the_work_is_an_answer_not_a_timeout(mailbox, pure):
    def failing():
        raise TimeoutError("the work's own")

    hold = Hold(mailbox)
    outcomes = []

    def ask():
        try:
            mailbox.ask(pure, 10, failing)
        except Exception as error:
            outcomes.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    until(lambda: mailbox.depth == 1)
    hold.let_go()
    asker.join(10)
    assert [(type(error), str(error)) for error in outcomes] == [(TimeoutError, "the work's own")]


def test_what_was_withdrawn_never_runs_and_the_rest_does(mailbox):
    ran = []
    hold = Hold(mailbox)
    mailbox.post(True, ran.append, "before")
    for pure in (True, False):
        with pytest.raises(CallTimeout):
            mailbox.ask(pure, 0, ran.append, "withdrawn")
    mailbox.post(True, ran.append, "after")
    hold.let_go()
    assert mailbox.ask(True, None, lambda: list(ran)) == ["before", "after"]


def test_racing_timeouts_lose_no_turn(mailbox):
    """Senders that give up in the moment of their turn pass it on, so that nobody waits forever."""
    ran, given_up = [], []

    def impatient():
        for number in range(300):
            try:
                mailbox.ask(False, 0.00001, ran.append, number)
            except CallTimeout as error:
                assert not error.started  # noqa: PT017 - in time is fine too
                given_up.append(number)

    def patient():
        for number in range(300):
            mailbox.ask(False, None, ran.append, number)

    assert race(*[impatient] * 4, *[patient] * 2) == [None] * 6
    assert len(ran) + len(given_up) == 6 * 300
    assert mailbox.ask(True, None, lambda: mailbox.depth) == 0


def test_posts_from_within_run_after_and_in_order(mailbox):
    ran = []

    def work():
        for number in range(3):
            mailbox.post(True, ran.append, number)
        ran.append("work")

    mailbox.ask(True, None, work)
    assert ran == ["work", 0, 1, 2]


def test_a_failing_post_disturbs_nobody(mailbox, caplog):
    ran = []

    def work():
        mailbox.post(True, {}.__getitem__, "missing")
        mailbox.post(True, ran.append, "next")

    mailbox.ask(True, None, work)
    assert ran == ["next"]
    assert "missing" in caplog.text


def test_asking_oneself_is_refused(mailbox):
    with pytest.raises(ReentrantCall):
        mailbox.ask(True, None, mailbox.ask, True, None, int)
    assert mailbox.ask(True, None, int) == 0


def test_two_mailboxes_that_ask_each_other_find_out(background):
    """Each of two threads holds one and asks the other: exactly one is refused at once, then the other is answered."""
    one, two = Mailbox("one", background), Mailbox("two", background)
    both_busy = threading.Barrier(2)

    def ask(own, other):
        def work():
            both_busy.wait(10)
            return other.ask(True, None, lambda: "answered")

        return own.ask(True, None, work)

    outcomes = race(lambda: ask(one, two), lambda: ask(two, one), timeout=20)
    assert sorted(map(str, map(type, outcomes))) == sorted(map(str, [str, ReentrantCall]))


async def test_a_suspended_mailbox_stays_busy_until_its_coroutine_has_finished(mailbox):
    order = []
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    waiting = threading.Event()

    async def handler():
        waiting.set()
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go.wait(), loop))
        order.append("handler")

    def finish(task):
        order.append("finish")
        return task.result()

    asked = asyncio.create_task(mailbox.aask(True, None, lambda: Suspended(handler(), finish)))
    assert await asyncio.to_thread(waiting.wait, 10)
    mailbox.post(True, order.append, "posted")
    assert order == []
    go.set()
    assert await asked is None
    await asyncio.to_thread(mailbox.ask, True, None, int)
    assert order == ["handler", "finish", "posted"]


async def test_many_tasks_of_one_loop_share_it_with_threads(mailbox):
    total = 0

    def add():
        nonlocal total
        before = total
        total = before + 1

    async def task():
        for _ in range(200):
            await mailbox.aask(False, None, add)
            await asyncio.sleep(0)

    def thread():
        for _ in range(1000):
            mailbox.ask(False, None, add)

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(task())
        for _ in range(4):
            group.create_task(asyncio.to_thread(thread))
    assert total == 20 * 200 + 4 * 1000


async def test_an_interrupt_on_a_worker_frees_the_mailbox(mailbox, background):
    """Work that nobody waits for runs on a worker; what it raises must not keep the mailbox busy for ever."""

    def interrupted():
        raise Interrupt

    await asyncio.to_thread(_post_from_loop, background, mailbox, interrupted)
    assert await mailbox.aask(True, 10, int) == 0


def _post_from_loop(background, mailbox, work):
    posted = threading.Event()
    background.call_later(0, lambda: (mailbox.post(False, work), posted.set()))
    assert posted.wait(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_coroutine_that_wants_to_exit_ends_neither_the_mailbox_nor_the_loop(mailbox, caplog):
    async def leave():
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        mailbox.ask(True, 10, lambda: Suspended(leave(), lambda task: task.result()))
    assert mailbox.ask(True, 10, int) == 0
    assert mailbox.ask(True, 10, lambda: Suspended(asyncio.sleep(0, "next"), lambda task: task.result())) == "next"
    assert "wanted to exit" in caplog.text


def test_a_sender_interrupted_in_the_work_of_others_passes_its_turn_on(mailbox):
    def interrupted():
        raise Interrupt

    for work in (interrupted, *[int] * (DRAIN_LIMIT + 10)):
        mailbox._enqueue(Message(work, (), None, True, 0))
    ran = []
    with pytest.raises(Interrupt):
        mailbox.ask(False, None, ran.append, "withdrawn")
    assert mailbox.ask(True, 10, lambda: list(ran)) == []


def test_a_coroutine_that_waits_for_two_is_found_when_one_has_answered(background):
    """What a handler still waits for is remembered, whatever else it waited for at the same time."""
    asking, quick, slow = (Mailbox(name, background) for name in ("asking", "quick", "slow"))
    hold = Hold(slow)

    async def handler():
        slowly = asyncio.ensure_future(slow.aask(False, 10, asking.ask, True, 5, int))
        await asyncio.sleep(0)
        return await asyncio.gather(quick.aask(True, 10, lambda: Suspended(asyncio.sleep(0), _result)), slowly)

    def let_go():
        until(lambda: slow.depth == 1)
        until(lambda: background.pending == 1 and not quick.busy)
        hold.let_go()

    releasing = threading.Thread(target=let_go)
    releasing.start()
    with pytest.raises(ReentrantCall):
        asking.ask(True, 10, lambda: Suspended(handler(), _result))
    releasing.join(10)


def _result(task):
    return task.result()


def test_who_waits_for_a_coroutine_when_the_background_stops_is_answered_on_threads_that_end(mailbox, background):
    entered = threading.Event()

    async def endless():
        entered.set()
        await asyncio.Event().wait()

    def finish(task):
        return "cancelled" if task.cancelled() else task.result()

    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(mailbox.ask(True, 10, lambda: Suspended(endless(), finish)))
    )
    asking.start()
    assert entered.wait(10)
    background.stop()
    asking.join(10)
    assert answers == ["cancelled"]
    assert background._workers is None


def no_thread(thread):
    raise RuntimeError("can't start new thread")


def test_without_a_thread_for_the_loop_the_sender_learns_it_and_the_mailbox_is_free(mailbox, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError, match="new thread"):
            mailbox.ask(True, 10, lambda: Suspended(asyncio.sleep(0, "never"), _result))
    assert not mailbox.busy
    assert mailbox.ask(True, 10, lambda: Suspended(asyncio.sleep(0, "next"), _result)) == "next"


@pytest.mark.parametrize("suspends", [True, False])
async def test_without_a_thread_a_queued_sender_is_answered(mailbox, monkeypatch, suspends):
    hold = Hold(mailbox)

    def work():
        return Suspended(asyncio.sleep(0, "never"), _result)

    asking = asyncio.create_task(mailbox.aask(suspends, 10, work if suspends else int))
    await asyncio.to_thread(until, lambda: mailbox.depth == 1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        hold.let_go()
        with pytest.raises(RuntimeError, match="new thread"):
            await asking
    assert not mailbox.busy
    assert await mailbox.aask(True, 10, work) == "never"


def hold_loop(background):
    """Keep the background loop busy until the event that this returns is set."""
    entered, gate = threading.Event(), threading.Event()
    background.call_later(0, lambda: (entered.set(), gate.wait(10)))
    assert entered.wait(10)
    return gate


def test_one_that_is_cancelled_before_its_first_step_never_takes_it(mailbox, background):
    gate, ran, outcome = hold_loop(background), [], []

    async def handler():
        ran.append(True)

    asking = threading.Thread(
        target=mailbox.ask, args=(True, 10, lambda: Suspended(handler(), lambda task: outcome.append(task.cancelled())))
    )
    asking.start()
    until(lambda: mailbox._suspended is not None)
    mailbox.cancel_running()
    gate.set()
    asking.join(10)
    assert (ran, outcome) == ([], [True])


async def test_a_sender_on_a_loop_does_not_wait_for_the_background_loop_to_take_its_coroutine(mailbox, background):
    gate = hold_loop(background)
    asked = asyncio.create_task(mailbox.aask(True, 10, lambda: Suspended(asyncio.sleep(0, "answer"), _result)))
    await asyncio.sleep(0)
    gate.set()
    assert await asked == "answer"


def test_an_interrupt_after_the_work_was_handed_over_frees_nothing_that_is_not_the_callers(mailbox, background):
    """Else two would have the turn from then on."""
    inside, go_on = threading.Event(), threading.Event()

    def on_a_worker():
        inside.set()
        go_on.wait(10)

    def interrupt(frame, event, argument):
        if frame.f_code.co_name != "_hand_to_worker":
            return None
        if event == "return":
            inside.wait(10)
            raise KeyboardInterrupt
        return interrupt

    with contextlib.ExitStack() as stack:
        stack.callback(sys.settrace, sys.gettrace())
        sys.settrace(interrupt)
        with pytest.raises(KeyboardInterrupt):
            mailbox.ask(True, None, mailbox.post, False, on_a_worker)
    assert mailbox.busy
    go_on.set()
    until(lambda: not mailbox.busy)
    assert len(mailbox.turn) == 1
