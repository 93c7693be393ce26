"""A process that counts a session up by compare-and-set: ``database_writer.py SETTINGS TIMES``.

SETTINGS are those of the database, as JSON.
"""

import json
import os
import sys

import django
from django.conf import settings

if __name__ == "__main__":
    database, times = json.loads(sys.argv[1]), int(sys.argv[2])
    settings.configure(INSTALLED_APPS=["phoenix_sessions.backends.database"], DATABASES={"default": database})
    django.setup()

    from phoenix_sessions.backends.base import Commit, Point
    from phoenix_sessions.backends.database import DatabaseBackend
    from phoenix_sessions.core.errors import Conflict

    backend = DatabaseBackend({"timeout": 30.0})
    record = backend.load("visitor")
    done = 0
    while done < times:
        count = record.at.version + 1
        change = Commit(
            at=record.at,
            after=record.last,
            to=Point(record.at.epoch, count),
            state=b"%d" % count,
            notice=b"",
            id=os.urandom(8),
            log=(b"%d" % count,),
            log_limit=1000,
        )
        try:
            backend.commit("visitor", change)
            done += 1
            record = backend.load("visitor")
        except Conflict as conflict:
            record = conflict.record
    backend.close()
