"""A worker that delivers: ``delivering.py ENGINE NAME PREFIX``, for the tests.

It says "ready"; then, for each line of input, it has that conversation delivered, or all that was left undone if the
line is "look". At the end of the input it stops in order, and says whether nothing was left undone; it waits for nobody
if the last line is "now".
"""

import sys

import django
from django.conf import settings

SERVER = {"HOST": "127.0.0.1", "PORT": "5432", "USER": "postgres"}


def configure(engine, name, prefix):
    """Set Django up for the chat on a database, with leases in Redis."""
    options = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", "timeout": 10}
    where = SERVER if engine == "postgresql" else {"OPTIONS": options}
    settings.configure(
        SECRET_KEY="only-for-the-tests",
        INSTALLED_APPS=["phoenix_sessions", "phoenix_sessions.contrib.chat"],
        DATABASES={"default": {"ENGINE": f"django.db.backends.{engine}", "NAME": name, **where}},
        PHOENIX_SESSIONS={"BACKEND": "phoenix_sessions.backends.redis.RedisBackend", "OPTIONS": {"prefix": prefix}},
        PHOENIX_SESSIONS_CHAT={
            "ALLOW_PRIVATE_WEBHOOKS": True,
            "AGENT_DEBOUNCE": 0.01,
            "AGENT_PAUSE": 0.01,
            "AGENT_LEASE": 1.0,
            "AGENT_LOOK": 0.5,
            "AGENTS": {"agent:stuck": "shouting.stay"},
        },
    )
    django.setup()


def say(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure(*sys.argv[1:])

    from phoenix_sessions.contrib.chat.agents.service import service

    say("ready")
    seconds = 20
    for line in sys.stdin:
        if line == "now\n":
            seconds = 0.01
        elif line == "look\n":
            service.start()
        else:
            service.start().put(line.strip())
    say(service.stop(seconds))
