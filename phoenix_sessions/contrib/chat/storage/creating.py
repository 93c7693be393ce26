"""A new conversation.

Rules:
    1. Two make a DM, with an agent an agent's; more make a group, and so do fewer if it is asked for.
    2. The first open DM of a pair is the pair's own: who asks for that gets it, also when two ask at once. Others of
       the same pair may be made beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from django.db import IntegrityError
from django.db.transaction import atomic

from ..conf import get_config
from ..errors import invalid, not_found, unavailable
from ..ids import new_id, shard_of
from ..kinds import ConversationKind, ParticipantKind, ParticipantStatus, Role
from ..models import ConversationRow, Membership, ParticipantRow
from ..types import Conversation
from . import access, checks, rows
from .connection import Database, now, transaction
from .members import members_of

_TRIES: Final = 5


class Created(NamedTuple):
    """What became of a wish for a conversation.

    Attributes:
        conversation: The conversation.
        new: Whether it was made now.
    """

    conversation: Conversation
    new: bool


def create_conversation(
    creator: str,
    others: Sequence[str],
    *,
    title: str = "",
    metadata: dict[str, Any] | None = None,
    group: bool = False,
    once: bool = False,
) -> Created:
    """Make a conversation.

    Args:
        creator: Who begins it, and is its owner.
        others: Who else is in it.
        title: What it is called.
        metadata: The caller's own.
        group: Whether it is a group though it has no more than two members.
        once: Whether the pair's own DM is wanted, if there is one.

    Raises:
        ChatError: ``invalid`` if somebody is in it twice, ``not_found`` if there is no such participant, ``disabled``,
            ``too_large``, ``unavailable``.
    """
    ids = _parties(creator, others, group=group)
    pair = len(ids) == 2 and not group
    if once and not pair:
        raise invalid(once="must be for two: there may be many groups of the same members")
    row = ConversationRow(
        id=new_id(),
        title=checks.text("title", title),
        metadata=checks.metadata(metadata).value,
        created_at=now(),
        pair_key=" ".join(sorted(ids)) if pair else None,
    )
    row.shard_key = shard_of(row.id)
    with transaction() as database:
        row.kind = _kind(_participants(database, ids), pair=pair).value
        kept = _keep(database, row, once=once)
        if kept is row:
            _join(database, row, creator, ids)
        return Created(rows.conversation(kept, members_of(database, kept.id)), new=kept is row)


def _parties(creator: str, others: Sequence[str], *, group: bool) -> list[str]:
    if isinstance(others, str):
        raise invalid(members="must be a list of ids")
    ids = [checks.participant_id(creator, "creator"), *(checks.participant_id(id, "members") for id in others)]
    if len(set(ids)) != len(ids):
        raise invalid(members="must be different from each other, and from the creator")
    if len(ids) < 2 and not group:
        raise invalid(members="must be at least one beside the creator, but in a group")
    if len(ids) > (most := get_config().max_members):
        raise invalid(members=f"must be at most {most}")
    return ids


def _participants(database: Database, ids: list[str]) -> dict[str, ParticipantRow]:
    found: dict[str, ParticipantRow] = ParticipantRow.objects.using(database.alias).in_bulk(ids)
    for id in ids:
        if id not in found:
            raise not_found("participant", id)
    if found[ids[0]].status != ParticipantStatus.ACTIVE:
        raise access.disabled(ids[0])
    return found


def _kind(participants: dict[str, ParticipantRow], *, pair: bool) -> ConversationKind:
    if not pair:
        return ConversationKind.GROUP
    agent = any(each.kind == ParticipantKind.AGENT for each in participants.values())
    return ConversationKind.AGENT_DM if agent else ConversationKind.HUMAN_DM


def _keep(database: Database, row: ConversationRow, *, once: bool) -> ConversationRow:
    """Store the row, and return it, or the pair's own if that is wanted and there.

    Raises:
        ChatError: ``unavailable`` if there is another that cannot be seen, as transactions that are more isolated than
            READ COMMITTED have it; a try again sees it.
    """
    for _ in range(_TRIES):
        try:
            with atomic(using=database.alias):
                row.save(using=database.alias, force_insert=True)
            return row
        except IntegrityError as error:
            cause = error
        found: ConversationRow | None
        found = ConversationRow.objects.using(database.alias).filter(pair_key=row.pair_key).first()
        if once and found is not None:
            return found
        if found is not None:
            row.pair_key = None  # if there is none any more, it was closed in between
    raise unavailable() from cause


def _join(database: Database, row: ConversationRow, creator: str, ids: list[str]) -> None:
    Membership.objects.using(database.alias).bulk_create(
        Membership(
            conversation=row,
            participant_id=id,
            role=(Role.OWNER if id == creator else Role.MEMBER).value,
            joined_at=row.created_at,
        )
        for id in ids
    )
