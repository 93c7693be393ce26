"""The verbs that change a conversation, or who is in it: committed first, then told.

Rules:
    1. What is told was committed: in the caller's own transaction, after its commit. Telling never fails a verb, and
       never waits.
    2. Changes of one conversation are told in the order in which they were committed here, but for those in the
       callers' own transactions: who listens knows by the versions.
    3. What a participant is called is told in its 200 conversations with the last activity (``MAX_PAGE_SIZE``); in the
       others who looks finds it within 30 seconds. That it is disabled is told likewise; sockets look every minute.
    4. A mark that did not move, and a conversation that was there, are not told; what else is asked for again is.
    5. While the worker stops, all of them answer ``backpressure``, as ``append`` does.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from . import storage
from .conf import get_config
from .errors import ChatError
from .gate import Gate
from .kinds import ParticipantStatus
from .storage.creating import Created
from .telling import Telling
from .transactions import after_commit, in_transaction
from .turns import Turns
from .twins import twin
from .types import Conversation, Message, Participant, ReadMark

logger = logging.getLogger("phoenix_sessions.chat")


class Commanding:
    """What may be done but sending; errors are storage's, and ``backpressure``.

    A ``viewer`` must be a member who may do it; None = the site itself, where that is allowed.
    """

    def __init__(self) -> None:
        self._gate = Gate()
        self._turns = Turns()
        self._telling = Telling()

    # -- messages ------------------------------------------------------------------------------------------------------

    def edit(
        self, conversation: str, viewer: str, id: str, content: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> Message:
        """Give a message another content, as its sender; metadata None = as it is."""
        with self._changing(conversation):
            message = storage.edit_message(conversation, viewer, id, content, metadata)
            after_commit(lambda: self._telling.edited(message))
        return message

    def delete(self, conversation: str, viewer: str | None, id: str) -> Message:
        """Take away what a message says, as its sender or an owner of the group, and return what is left."""
        with self._changing(conversation):
            message = storage.delete_message(conversation, viewer, id)
            after_commit(lambda: self._telling.deleted(message))
        return message

    def mark_read(self, conversation: str, participant: str, seq: int | None = None) -> ReadMark:
        """Mark what was read up to a message, None = the last; it never goes back."""
        with self._gate:
            mark = storage.mark_read(conversation, participant, seq)
            if mark.moved:
                after_commit(lambda: self._telling.read(mark))
        return mark

    # -- conversations -------------------------------------------------------------------------------------------------

    def create_conversation(
        self,
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
        """
        with self._gate:
            created = storage.create_conversation(
                creator, others, title=title, metadata=metadata, group=group, once=once
            )
            if created.new:
                after_commit(lambda: self._telling.created(created.conversation))
        return created

    def rename(self, id: str, viewer: str | None, title: str) -> Conversation:
        """Give a conversation another title."""
        with self._changing(id):
            return self._changed(storage.rename_conversation(id, viewer, title))

    def close(self, id: str, viewer: str | None) -> Conversation:
        """End a conversation: it is read, and takes no more messages; one that is archived stays so."""
        with self._changing(id):
            return self._changed(storage.close_conversation(id, viewer))

    def archive(self, id: str, viewer: str | None) -> Conversation:
        """End a conversation, and take it out of its members' inboxes."""
        with self._changing(id):
            return self._changed(storage.archive_conversation(id, viewer))

    def add_member(self, id: str, viewer: str | None, participant: str, role: str = "member") -> Conversation:
        """Let somebody into a group; who is there already stays as it is."""
        with self._changing(id):
            return self._changed(storage.add_member(id, viewer, participant, role))

    def remove_member(self, id: str, viewer: str | None, participant: str) -> Conversation:
        """Take somebody out of a group; everybody may leave."""
        with self._changing(id):
            conversation = storage.remove_member(id, viewer, participant)
            after_commit(lambda: self._telling.removed(conversation, participant))
        return conversation

    # -- participants --------------------------------------------------------------------------------------------------

    def update_participant(
        self, id: str, *, display_name: str | None = None, metadata: dict[str, Any] | None = None
    ) -> Participant:
        """Change what is given, and return the participant."""
        with self._gate:
            participant = storage.update_participant(id, display_name=display_name, metadata=metadata)
            if display_name is not None:
                conversations = _newest_of(id)
                after_commit(lambda: self._telling.renamed(conversations))
        return participant

    def set_participant_status(self, id: str, status: str) -> Participant:
        """Enable or disable a participant: one that is disabled sends and edits nothing, and listens no more."""
        with self._gate:
            participant = storage.set_participant_status(id, status)
            if participant.status == ParticipantStatus.DISABLED:
                conversations = _newest_of(id)
                after_commit(lambda: self._telling.disabled(id, conversations))
        return participant

    aupdate_participant = twin(update_participant)
    aset_participant_status = twin(set_participant_status)
    aedit = twin(edit)
    adelete = twin(delete)
    amark_read = twin(mark_read)
    acreate_conversation = twin(create_conversation)
    arename = twin(rename)
    aclose = twin(close)
    aarchive = twin(archive)
    aadd_member = twin(add_member)
    aremove_member = twin(remove_member)

    @contextlib.contextmanager
    def _changing(self, conversation: str) -> Iterator[None]:
        own = in_transaction()  # that holds the row until its commit: who waits for it must not have the turn
        with self._gate, contextlib.nullcontext() if own else self._turns.of(conversation):
            yield

    def _changed(self, conversation: Conversation) -> Conversation:
        after_commit(lambda: self._telling.changed(conversation))
        return conversation


def _newest_of(participant: str) -> tuple[Conversation, ...]:
    """Return the conversations of somebody that are told at once; in the others it is found within 30 s or a minute."""
    try:
        return storage.list_conversations(participant, limit=get_config().max_page_size)[0]
    except ChatError as error:
        logger.warning("the conversations of %r are not known: %s", participant, error)
        return ()
