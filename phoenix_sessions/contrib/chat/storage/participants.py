"""Who may be in conversations."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError
from django.db.transaction import atomic

from ..errors import ChatError, invalid, not_found
from ..kinds import ParticipantKind, ParticipantStatus
from ..models import ParticipantRow
from ..types import Participant
from . import access, checks, rows
from .connection import Database, now, reading, transaction


def create_participant(
    id: str, kind: str = "user", display_name: str = "", metadata: dict[str, Any] | None = None
) -> Participant:
    """Make a participant.

    Raises:
        ChatError: ``conflict`` if there is one of this id, ``invalid``, ``too_large``, ``unavailable``.
    """
    row = ParticipantRow(
        id=checks.participant_id(id),
        kind=checks.word("kind", ParticipantKind, kind).value,
        display_name=checks.text("display_name", display_name),
        metadata=checks.metadata(metadata).value,
        created_at=now(),
    )
    with transaction() as database:
        try:
            with atomic(using=database.alias):
                row.save(using=database.alias, force_insert=True)
        except IntegrityError as error:
            raise ChatError("conflict", f"there is a participant {id!r} already") from error
    return rows.participant(row)


def show_participant(id: str) -> Participant:
    """Return a participant.

    Raises:
        ChatError: ``not_found``, ``unavailable``.
    """
    with reading() as database:
        return rows.participant(_find(database, id))


def update_participant(
    id: str, *, display_name: str | None = None, metadata: dict[str, Any] | None = None
) -> Participant:
    """Change what is given, and return the participant.

    Raises:
        ChatError: ``not_found``, ``invalid``, ``too_large``, ``unavailable``.
    """
    changes: dict[str, Any] = {}
    if display_name is not None:
        changes["display_name"] = checks.text("display_name", display_name)
    if metadata is not None:
        changes["metadata"] = checks.metadata(metadata).value
    return _change(id, changes)


def set_participant_status(id: str, status: str) -> Participant:
    """Enable or disable a participant: one that is disabled sends and edits nothing from the next append on.

    Raises:
        ChatError: ``not_found``, ``invalid``, ``unavailable``.
    """
    return _change(id, {"status": checks.word("status", ParticipantStatus, status).value})


def list_participants(
    *, kind: str | None = None, status: str | None = None, cursor: str | None = None, limit: int | None = None
) -> tuple[Participant, ...]:
    """Return participants, by id.

    Args:
        kind: Only of this kind.
        status: Only of this status.
        cursor: The last id of the page before, None = from the first on.
        limit: How many, at most (count).

    Raises:
        ChatError: ``invalid``, ``unavailable``.
    """
    wanted: dict[str, Any] = {"id__gt": checks.participant_id(cursor, "cursor")} if cursor else {}
    if kind is not None:
        wanted["kind"] = checks.word("kind", ParticipantKind, kind).value
    if status is not None:
        wanted["status"] = checks.word("status", ParticipantStatus, status).value
    count = checks.limit(limit)
    with reading() as database:
        found = ParticipantRow.objects.using(database.alias).filter(**wanted).order_by("id")[:count]
        return tuple(map(rows.participant, found))


def _change(id: str, changes: dict[str, Any]) -> Participant:
    with transaction() as database:
        row = _find(database, id, lock=True)
        if changes:
            for name, value in changes.items():
                setattr(row, name, value)
            row.save(using=database.alias, update_fields=list(changes))
        return rows.participant(row)


def _find(database: Database, id: str, *, lock: bool = False) -> ParticipantRow:
    if not access.is_id(id):
        raise invalid(id="must be a text of visible ASCII characters")
    query = ParticipantRow.objects.using(database.alias).filter(id=id)
    row: ParticipantRow | None = (query.select_for_update(no_key=True) if lock else query).first()
    if row is None:
        raise not_found("participant", id)
    return row
