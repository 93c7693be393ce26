"""Who is in a conversation.

Rules:
    1. A DM keeps its two.
    2. Whoever joins has read what was there before.
    3. A group has an owner as long as it has a member: after the last owner it is the one who joined first.
"""

from __future__ import annotations

from ..conf import get_config
from ..errors import invalid, not_found
from ..kinds import ConversationKind, Role
from ..models import ConversationRow, Membership, ParticipantRow
from ..types import Conversation, Member
from . import access, checks, rows
from .connection import Database, now, reading, transaction


def list_members(conversation: str, viewer: str | None) -> tuple[Member, ...]:
    """Return who is in a conversation, by id.

    Raises:
        ChatError: ``unauthorized``, ``not_found``, ``unavailable``.
    """
    with reading() as database:
        access.seen(database, conversation, viewer)
        return members_of(database, conversation)


def add_member(conversation: str, viewer: str | None, participant: str, role: str = "member") -> Conversation:
    """Let somebody into a group; who is there already stays as it is.

    Raises:
        ChatError: ``unauthorized``, ``forbidden``, ``closed``, ``disabled``, ``not_found`` if there is no such
            participant, ``invalid`` if it is a DM or full, ``unavailable``.
    """
    wanted = checks.word("role", Role, role)
    checks.participant_id(participant, "participant")
    with transaction() as database:
        row = _group(database, conversation, viewer)
        access.must_be_open(row.status)
        if not ParticipantRow.objects.using(database.alias).filter(id=participant).exists():
            raise not_found("participant", participant)
        members = Membership.objects.using(database.alias).filter(conversation=conversation)
        if not members.filter(participant=participant).exists():
            if members.count() >= (most := get_config().max_members):
                raise invalid(members=f"must be at most {most}")
            members.create(
                conversation_id=conversation,
                participant_id=participant,
                role=wanted.value,
                last_read_seq=row.last_seq,
                delivered_seq=row.last_seq,
                joined_at=now(),
            )
        return rows.conversation(row, members_of(database, conversation))


def remove_member(conversation: str, viewer: str | None, participant: str) -> Conversation:
    """Take somebody out of a group; everybody may leave.

    Raises:
        ChatError: ``unauthorized``, ``forbidden``, ``not_found`` if it is no member, ``invalid`` if it is a DM,
            ``unavailable``.
    """
    checks.participant_id(participant, "participant")
    with transaction() as database:
        row = _group(database, conversation, viewer, leaving=viewer == participant)
        members = Membership.objects.using(database.alias).filter(conversation=conversation)
        if not members.filter(participant=participant).delete()[0]:
            raise not_found("member", participant)
        _keep_an_owner(database, conversation)
        return rows.conversation(row, members_of(database, conversation))


def members_of(database: Database, conversation: str) -> tuple[Member, ...]:
    """Return who is in a conversation, by id."""
    found = Membership.objects.using(database.alias).filter(conversation=conversation)
    return tuple(map(rows.member, found.select_related("participant").order_by("participant_id")))


def _group(database: Database, id: str, viewer: str | None, *, leaving: bool = False) -> ConversationRow:
    row = access.seen(database, id, viewer, lock=True) if leaving else access.managed(database, id, viewer)
    if row.kind != ConversationKind.GROUP:
        raise invalid(conversation="must be a group: a DM keeps its two members")
    return row


def _keep_an_owner(database: Database, conversation: str) -> None:
    members = Membership.objects.using(database.alias).filter(conversation=conversation)
    if members.filter(role=Role.OWNER.value).exists():
        return
    first = members.order_by("joined_at", "id").first()
    if first is not None:
        first.role = Role.OWNER.value
        first.save(using=database.alias, update_fields=["role"])
