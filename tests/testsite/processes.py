import asyncio
import os

from phoenix_sessions import SessionProcess


class Visit(SessionProcess):
    """Notes its end and its count in a file; what is cast to it never ends."""

    async def handle_cast(self, request, state):
        await asyncio.Event().wait()

    def on_terminate(self, reason, state):
        with open(os.environ["TESTSITE_GOODBYES"], "a") as goodbyes:
            print(reason, state.counter["count"], file=goodbyes)
