"""How far somebody has read; it never goes back."""

from __future__ import annotations

from ..errors import not_found
from ..types import ReadMark
from . import access, statements
from .connection import transaction


def mark_read(conversation: str, participant: str, seq: int | None = None) -> ReadMark:
    """Mark what was read, and return how far that is; an earlier mark than there was changes nothing.

    Args:
        conversation: Where.
        participant: Who has read.
        seq: Up to which message, None = the last.

    Raises:
        ChatError: ``unauthorized``, ``not_found`` if there is no such message, ``unavailable``.
    """
    with transaction() as database:
        last_seq = access.seen(database, conversation, participant).last_seq
        upto = last_seq if seq is None else seq
        if seq is not None and (isinstance(seq, bool) or not isinstance(seq, int) or not 1 <= seq <= last_seq):
            raise not_found("message", seq)
        moved = database.write(statements.MARK, [upto, conversation, participant, upto]) == 1
        if not moved:
            upto = access.membership_of(database, conversation, participant).last_read_seq
    return ReadMark(conversation, participant, upto, moved)
