"""Who may do what with a conversation.

Rules:
    1. Whoever is no member gets the same answer whether there is such a conversation or not.
    2. In a DM both may do everything; in a group the owners may.
"""

from __future__ import annotations

from typing import Any

from ..errors import ChatError, not_found, unauthorized
from ..kinds import ConversationKind, ConversationStatus, ParticipantStatus, Role
from ..models import ConversationRow, Membership
from .connection import Database


def is_id(value: Any) -> bool:
    """Return whether something may be an id; databases are not asked for what may not."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def find(database: Database, id: str, *, lock: bool = False) -> ConversationRow | None:
    """Return a conversation; ``lock`` holds it until the transaction ends."""
    if not is_id(id):
        return None
    query = ConversationRow.objects.using(database.alias).filter(id=id)
    row: ConversationRow | None = (query.select_for_update(no_key=True) if lock else query).first()
    return row


def seen(database: Database, id: str, viewer: str | None, *, lock: bool = False) -> ConversationRow:
    """Return a conversation that the viewer may see.

    Raises:
        ChatError: ``unauthorized``; ``not_found`` for the site itself.
    """
    if viewer is not None:
        _must_be_member(database, id, viewer)  # first: a stranger waits for nothing that one that is not there has not
    row = find(database, id, lock=lock)
    if row is None:
        raise not_found("conversation", id) if viewer is None else unauthorized()
    if viewer is not None and lock:
        _must_be_member(database, id, viewer)  # it may have been removed while others held the conversation
    return row


def _must_be_member(database: Database, id: str, viewer: str) -> None:
    if not is_id(id) or not is_id(viewer):
        raise unauthorized()
    if not Membership.objects.using(database.alias).filter(conversation=id, participant=viewer).exists():
        raise unauthorized()


def managed(database: Database, id: str, viewer: str | None) -> ConversationRow:
    """Return a conversation that the viewer may change, and hold it until the transaction ends.

    Raises:
        ChatError: ``unauthorized``, ``forbidden``, ``disabled``; ``not_found`` for the site itself.
    """
    row = seen(database, id, viewer, lock=True)
    if viewer is None:
        return row
    membership = membership_of(database, row.id, viewer)
    if membership.participant.status != ParticipantStatus.ACTIVE:
        raise disabled(viewer)
    if row.kind == ConversationKind.GROUP and membership.role != Role.OWNER:
        raise ChatError("forbidden", "only an owner of the group may do this")
    return row


def membership_of(database: Database, conversation: str, participant: str) -> Membership:
    """Return a membership, with its participant.

    Raises:
        ChatError: ``unauthorized``.
    """
    found = Membership.objects.using(database.alias).filter(conversation=conversation, participant=participant)
    row: Membership | None = found.select_related("participant").first()
    if row is None:
        raise unauthorized()
    return row


def must_be_open(status: str) -> None:
    """Refuse what needs an open conversation.

    Raises:
        ChatError: ``closed``.
    """
    if status != ConversationStatus.OPEN:
        raise ChatError("closed", f"the conversation is {status}: it takes nothing new")


def disabled(participant: str) -> ChatError:
    """Return the answer to a participant that is disabled."""
    return ChatError("disabled", f"the participant {participant!r} is disabled")
