"""Many senders, one session: nothing is lost, nothing is reordered."""

import asyncio
import itertools

from racing import race

from phoenix_sessions import Reducer, SessionProcess, on, sessions

THREADS = 8
LOOPS = 2
EACH = 40_000


class Ledger(Reducer):
    """Counts per sender; every payload is (sender, number), and numbers must come one after the other."""

    name = "ledger"

    def init_state(self):
        return (0,) * (THREADS + LOOPS)

    @on("note")
    def note(self, action, state):
        sender, number = action.payload
        if state[sender] != number:
            raise AssertionError(f"sender {sender}: {number} came where {state[sender]} was due")
        return (*state[:sender], number + 1, *state[sender + 1 :])


class LedgerSession(SessionProcess):
    reducers = [Ledger]


def test_400_000_dispatches_of_ten_senders_are_all_applied_in_each_senders_order():
    ref = sessions.start_session("load", LedgerSession)

    def on_thread(sender):
        versions = [ref.dispatch("ledger.note", (sender, number)) for number in range(EACH)]
        return all(earlier < later for earlier, later in itertools.pairwise(versions))

    async def on_loop(sender):
        last = 0
        for number in range(EACH):
            version = await ref.adispatch("ledger.note", (sender, number))
            assert version > last
            last = version
            if number % 500 == 0:
                await asyncio.sleep(0)  # other tasks of the loop get their turn
        return True

    senders = [lambda sender=sender: on_thread(sender) for sender in range(THREADS)]
    senders += [lambda sender=THREADS + loop: asyncio.run(on_loop(sender)) for loop in range(LOOPS)]

    outcomes = race(*senders, timeout=300)

    assert outcomes == [True] * (THREADS + LOOPS)
    assert ref.get_state("ledger") == (EACH,) * (THREADS + LOOPS)
    assert ref.version == EACH * (THREADS + LOOPS) == 400_000


def test_posts_without_an_answer_keep_their_senders_order_too():
    ref = sessions.start_session("load", LedgerSession)

    def post(sender):
        for number in range(500):
            ref.dispatch_nowait("ledger.note", (sender, number))
        return ref.get_state("ledger")[sender]  # comes after all that this sender posted

    assert race(*(lambda sender=sender: post(sender) for sender in range(THREADS))) == [500] * THREADS
