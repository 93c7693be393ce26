"""``sessions``: the sessions of this site, as far as this OS process serves them.

The verbs stand in four files, each on top of the one before: ``site`` (the supervisor and the settings), ``finding``,
``starting`` and ``batches``. A verb that can wait has an ``a…`` twin, as in Django's ORM, and refuses to run on an
event loop's thread.
"""

from __future__ import annotations

from .batches import Batches


class SessionManager(Batches):
    """The verbs on all sessions; ``phoenix_sessions.sessions`` is the one of this site."""


sessions = SessionManager()
"""The sessions of this site."""
