"""The tables.

Rules:
    1. Moments are seconds since 1970, as floats: they mean the same to every engine, with any USE_TZ.
    2. Names of commits and actions are packed, 8 bytes each, oldest first: a window of them moves in one UPDATE.
    3. The tables know no foreign keys: a session and its log go in one transaction anyway.
"""

from __future__ import annotations

from django.db import models


class Session(models.Model):
    """A session.

    Attributes:
        id: Its id.
        epoch: The name of its life.
        version: How many times the state has changed in that life.
        birth: How it was started.
        state: Its state.
        touched: When it was last committed to or touched (seconds since 1970).
        expires: When it may be forgotten (seconds since 1970), None = never.
        fence: The highest fencing number that came, None = none did.
        commits: The names of the last commits that changed the state, packed; the last of them led to ``version``.
        actions: The names of the last actions that must be applied once, packed.
        logged: How many entries its log ever got (count).
        trimmed: How many of those are no part of the log any more (count); their rows may be there for a while.
    """

    id = models.CharField(max_length=64, primary_key=True)
    epoch = models.BigIntegerField()
    version = models.BigIntegerField()
    birth = models.BinaryField()
    state = models.BinaryField()
    touched = models.FloatField()
    expires = models.FloatField(null=True)
    fence = models.BigIntegerField(null=True)
    commits = models.BinaryField()
    actions = models.BinaryField()
    logged = models.BigIntegerField()
    trimmed = models.BigIntegerField()

    class Meta:
        """The table."""

        db_table = "phoenix_sessions_session"
        # a sweep asks for nothing else, so sessions that never expire are not in it
        indexes = [
            models.Index(fields=["expires"], name="phoenix_sessions_expires", condition=models.Q(expires__isnull=False))
        ]

    def __str__(self) -> str:
        """Return the id."""
        return str(self.id)


class LogEntry(models.Model):
    """An entry of a session's log.

    Attributes:
        session: The session's id.
        seq: Its place in the log; later ones are greater.
        entry: What it says.
    """

    pk = models.CompositePrimaryKey("session", "seq")
    session = models.CharField(max_length=64)
    seq = models.BigIntegerField()
    entry = models.BinaryField()

    class Meta:
        """The table."""

        db_table = "phoenix_sessions_log"
        verbose_name_plural = "log entries"

    def __str__(self) -> str:
        """Return the session's id and the place."""
        return f"{self.session} {self.seq}"


class Lease(models.Model):
    """A lease; it stays for a day after its end, so that its fencing numbers grow.

    Attributes:
        name: What it is for.
        owner: Who has it.
        fence: The fencing number of its holder.
        until: When it ends (seconds since 1970).
    """

    name = models.CharField(max_length=255, primary_key=True)
    owner = models.CharField(max_length=255)
    fence = models.BigIntegerField()
    until = models.FloatField()

    class Meta:
        """The table."""

        db_table = "phoenix_sessions_lease"

    def __str__(self) -> str:
        """Return the name."""
        return str(self.name)
