"""What the writer costs: ``python tests/chat/measuring.py [SECONDS]``, on PostgreSQL at 127.0.0.1 as postgres.

One process, one writer, 100 conversations of two, on an event loop: messages a second, how long an append takes, and
how much CPU a message costs, here and in the server. The server waits for its disk at every commit, if it is so
configured.
"""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

import psycopg
import sending

CONVERSATIONS = 100
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """Return how much CPU a process has used (seconds)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def server_pid(name):
    """Return which of the server's processes works for the writer."""
    with psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres") as own:
        found = own.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s ORDER BY backend_start", [name])
        return [pid for (pid,) in found.fetchall()][-1]


async def load(writer, pairs, at_once, seconds, took):
    """Keep so many appends on their way for some time."""
    from phoenix_sessions.contrib.chat.types import Draft

    until = time.perf_counter() + seconds

    async def sender(place):
        conversation, who = pairs[place % len(pairs)]
        number = 0
        while (began := time.perf_counter()) < until:
            number += 1
            content = {"text": "what a message of a usual length may look like, more or less"}
            await writer.aappend(Draft(conversation, who, content, client_id=f"{at_once}-{place}-{number}"))
            took.append(time.perf_counter() - began)

    await asyncio.gather(*map(sender, range(at_once)))


def measure(name, pairs, at_once, seconds):
    """Print one line."""
    from phoenix_sessions.contrib.chat.writer import Writer

    writer, took = Writer(), []
    asyncio.run(load(writer, pairs, at_once, 0.5, []))
    pid = server_pid(name)
    began, used, server = time.perf_counter(), time.process_time(), cpu_of(pid)
    asyncio.run(load(writer, pairs[::-1], at_once, seconds, took))
    passed = time.perf_counter() - began
    used, server = time.process_time() - used, cpu_of(pid) - server
    writer.drain(20)
    count, p = len(took), statistics.quantiles(took, n=100)
    print(  # noqa: T201
        f"{at_once:5} at once: {count / passed:7.0f} messages/s   p50 {p[49] * 1000:5.1f} ms   "
        f"p95 {p[94] * 1000:5.1f} ms"
        f"   CPU a message {used / count * 1e6:4.0f} us here, {server / count * 1e6:4.0f} us in the server",
        flush=True,
    )


def main():
    """Make a database, measure, and drop it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    name = f"phoenix_chat_measuring_{os.getpid()}"
    with psycopg.connect(host="127.0.0.1", user="postgres", dbname="postgres", autocommit=True) as own:
        own.execute(f"CREATE DATABASE {name}")
        try:
            sending.configure("postgresql", name)
            from django.core.management import call_command
            from django.db import connection

            from phoenix_sessions.contrib.chat import storage

            call_command("migrate", verbosity=0)
            pairs = []
            for number in range(CONVERSATIONS):
                two = [f"user:{number}a", f"user:{number}b"]
                for each in two:
                    storage.create_participant(each)
                id = storage.create_conversation(two[0], two[1:]).conversation.id
                pairs += [(id, each) for each in two]
            connection.close()
            for at_once in (1, 20, 100, 400, 1000):
                measure(name, pairs, at_once, seconds)
        finally:
            own.execute(f"DROP DATABASE {name} WITH (FORCE)")


if __name__ == "__main__":
    main()
