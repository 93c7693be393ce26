"""Sessions in the site's own database: a Django app with three tables, and the backend on them.

Rules:
    1. Who wants the backend adds this package to INSTALLED_APPS, and runs ``migrate``; nobody else gets tables.
    2. SQLite and PostgreSQL: what decides is written for each of them, and tested on each of them.
    3. The tables are read and written by statements (``statements``), on connections of the backend's own
       (``connections``); the models are there for ``migrate``, and for people.
"""

from .backend import DatabaseBackend

__all__ = ["DatabaseBackend"]
