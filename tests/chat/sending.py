"""A process that sends: ``sending.py ENGINE NAME PART PARTS TIMES``, for the tests and ``measuring.py``.

It is one of PARTS that share the senders of all conversations, sends as each of its senders, to every conversation that
the sender is in, TIMES messages one after the other, all senders at once, and says of each message where it was stored:
``conversation sender number seq``.
"""

import asyncio
import sys
import time

import django
from django.conf import settings

SERVER = {"HOST": "127.0.0.1", "PORT": "5432", "USER": "postgres"}


def configure(engine, name):
    """Set Django up for the chat on a database."""
    options = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", "timeout": 10}
    where = SERVER if engine == "postgresql" else {"OPTIONS": options}
    settings.configure(
        INSTALLED_APPS=["phoenix_sessions", "phoenix_sessions.contrib.chat"],
        DATABASES={"default": {"ENGINE": f"django.db.backends.{engine}", "NAME": name, **where}},
        PHOENIX_SESSIONS_CHAT={"APPEND_PATIENCE": 2.0, "LOCK_PATIENCE": 0.5},
    )
    django.setup()


def streams(part, parts):
    """Return who of this part sends to which conversation."""
    from phoenix_sessions.contrib.chat.models import Membership

    pairs = sorted(Membership.objects.values_list("conversation_id", "participant_id"))
    senders = sorted({sender for _, sender in pairs})
    mine = set(senders[part::parts])
    return [pair for pair in pairs if pair[1] in mine]


async def send(writer, conversation, sender, times, say):
    """Send messages, each as often as it takes; the answers' times (seconds)."""
    from phoenix_sessions.contrib.chat.errors import ChatError
    from phoenix_sessions.contrib.chat.types import Draft

    took = []
    for number in range(times):
        draft = Draft(conversation, sender, {"text": f"message {number}"}, client_id=str(number))
        began = time.perf_counter()
        while True:
            try:
                stored = await writer.aappend(draft)
                break
            except ChatError as error:
                if error.code not in ("unavailable", "backpressure"):
                    raise
                await asyncio.sleep(error.retry_after_ms / 1000)
        took.append(time.perf_counter() - began)
        say(f"{conversation} {sender} {number} {stored.message.seq}")
    return took


async def send_all(writer, pairs, times, say):
    """Send on all streams at once, and return how long each message took (seconds)."""
    took = await asyncio.gather(*(send(writer, *pair, times, say) for pair in pairs))
    return [each for stream in took for each in stream]


if __name__ == "__main__":
    engine, name, *numbers = sys.argv[1:]
    part, parts, times = map(int, numbers)
    configure(engine, name)

    from phoenix_sessions.contrib.chat.writer import Writer

    def say(line):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    writer = Writer()
    asyncio.run(send_all(writer, streams(part, parts), times, say))
    writer.drain(20)
