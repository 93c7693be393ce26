"""``python leaseholder.py PREFIX SECONDS``: keep the lease "robot" in Redis.

It writes the fencing number; then, for each line of input, "held" or "fenced" after an attempt to renew it.
"""

import sys

import django
from django.conf import settings


def say(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def hold(seconds):
    from phoenix_sessions import Fenced, sessions

    lease = sessions.claim("robot", seconds, keep=True)
    say(lease.fence)
    for _ in sys.stdin:
        try:
            lease.renew()
            say("held")
        except Fenced:
            say("fenced")


if __name__ == "__main__":
    settings.configure(
        SECRET_KEY="only-for-the-tests",
        PHOENIX_SESSIONS={
            "BACKEND": "phoenix_sessions.backends.redis.RedisBackend",
            "OPTIONS": {"prefix": sys.argv[1]},
        },
    )
    django.setup()
    hold(float(sys.argv[2]))
