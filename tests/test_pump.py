"""The pump's patience: it ends with a client that acknowledges nothing, not with one that is never done."""

import asyncio

from phoenix_sessions.outbox import WINDOW, Outbox
from phoenix_sessions.pump import TOO_SLOW, Pump

PATIENCE_S = 0.3  # so long that a busy machine does not use it up between two acknowledgements


class Page:
    """A consumer that counts what it is given to send."""

    def __init__(self):
        self.sent = 0
        self.code = None

    async def send(self, text_data):
        self.sent += 1

    async def close(self, code):
        self.code = code


async def filled(page, outbox):
    while page.sent < WINDOW:
        outbox.changed({"count": page.sent}, 1, page.sent)
        await asyncio.sleep(0)


async def test_a_client_that_goes_on_acknowledging_is_not_too_slow_however_full_its_outbox():
    page, outbox, loop = Page(), Outbox(), asyncio.get_running_loop()
    pump = asyncio.create_task(Pump(page, outbox, PATIENCE_S).run())
    await filled(page, outbox)
    acknowledged, end = 0, loop.time() + 3 * PATIENCE_S

    while loop.time() < end and page.code is None:
        outbox.changed({"count": page.sent}, 1, page.sent)  # there is always something newer
        acknowledged += 1
        assert outbox.acknowledge(acknowledged)
        await asyncio.sleep(PATIENCE_S / 100)

    pump.cancel()
    assert page.code is None


async def test_a_client_that_acknowledges_nothing_is_too_slow():
    page, outbox = Page(), Outbox()
    pump = asyncio.create_task(Pump(page, outbox, PATIENCE_S).run())
    await filled(page, outbox)
    outbox.changed({"count": 0}, 1, page.sent)

    await asyncio.wait_for(pump, 10)

    assert page.code == TOO_SLOW
