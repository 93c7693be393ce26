"""The same site for servers in processes of their own: the database is a file that they share."""

import os

from testsite.settings import *  # noqa: F403

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TESTSITE_DATABASE"]}}

if "TESTSITE_GOODBYES" in os.environ:
    PHOENIX_SESSIONS = {**PHOENIX_SESSIONS, "SESSION_PROCESS": "testsite.processes.Visit"}  # noqa: F405
