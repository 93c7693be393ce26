"""``sessions``: the sessions of this site, as far as this OS process serves them.

The verbs stand in files of their own, each on top of the one before: ``site`` (the supervisor and the settings),
``finding``, ``starting``, ``batches``, ``stopping``, ``leases`` and ``streams``. A verb that can wait has an ``a…``
twin, as in Django's ORM, and refuses to run on an event loop's thread.
"""

from __future__ import annotations

from .streams import Streams


class SessionManager(Streams):
    """The verbs on all sessions; ``phoenix_sessions.sessions`` is the one of this site."""


sessions = SessionManager()
"""The sessions of this site."""
