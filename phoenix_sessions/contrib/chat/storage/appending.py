"""Appends: many at once, in one transaction.

Rules:
    1. The conversations are held first, in the order of their ids, so that transactions cannot wait for each other in a
       circle; what was stored before, and who is a member, is asked afterwards.
    2. A message's ``seq`` is the conversation's last one and 1, given while its row is held: the order is total and
       has no holes, however many processes append.
    3. What is stored already under the draft's client_id, or id if it has none, is the answer (a repeat), before
       anything else is asked. Likewise twice in one batch.
    4. A draft that is refused is refused alone.
    5. One INSERT of all messages, one UPDATE of all conversations; on PostgreSQL an append is three statements, and one
       more if something in it is a repeat: a trip to the server costs more than a message.
    6. Whoever was disabled before an append began is refused; while it runs, it may be either way.
    7. Who the sender is, and which kinds it may send, is asked together with what was stored before.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ..errors import ChatError, invalid, unauthorized
from ..ids import shard_of
from ..kinds import MAY_SEND, ParticipantKind, ParticipantStatus
from ..types import Draft, Message, Stored
from . import access, rows, statements
from .checks import Prepared, prepare
from .connection import Database, now, transaction

_LOCK_NOT_AVAILABLE: Final = "55P03"

Outcome = Stored | ChatError
Key = tuple[str, str, str | None, str]


class Busy(ChatError):
    """Another transaction holds the conversation for too long; nothing was stored."""

    def __init__(self) -> None:
        super().__init__(
            "unavailable", "the conversation is held by another transaction; try again", retry_after_ms=1000
        )


class _Place(NamedTuple):
    status: str
    last_seq: int
    last_at: datetime.datetime | None


class _Sender(NamedTuple):
    status: str
    kind: str


def append_batch(drafts: Sequence[Draft], using: str | None = None) -> list[Outcome]:
    """Store messages, and return what became of each.

    Args:
        drafts: The messages, in the order of their sending.
        using: The alias of the database; None = that of the settings.

    Raises:
        ChatError: ``unavailable``; nobody knows what was stored, and all may be sent again.
    """
    outcomes: list[Outcome | None] = []
    prepared: list[Prepared] = []
    for draft in drafts:
        try:
            prepared.append(prepare(draft))
            outcomes.append(None)
        except ChatError as error:
            outcomes.append(error)
    appended = iter(append_prepared(prepared, using))
    return [next(appended) if outcome is None else outcome for outcome in outcomes]


def append_prepared(
    drafts: Sequence[Prepared], using: str | None = None, *, patience: float | None = None, skip_held: bool = False
) -> list[Outcome]:
    """Store messages that are prepared already, and return what became of each.

    Args:
        drafts: The messages, in the order of their sending.
        using: The alias of the database; None = that of the settings.
        patience: How long to wait for a conversation that another transaction holds (seconds), None = as long as the
            database does.
        skip_held: Whether drafts for such conversations get ``Busy`` at once, and the others go on.

    Raises:
        Busy: Another transaction holds one of the conversations; nothing was stored.
        ChatError: ``unavailable``; nobody knows what was stored, and all may be sent again.
    """
    if not drafts:
        return []
    try:
        with transaction(using) as database:
            batch = _Batch(database, drafts, patience, skip_held=skip_held)
            outcomes = [batch.place(draft) for draft in drafts]
            batch.store()
        return outcomes
    except ChatError as error:
        if _is_held(error):
            raise Busy from error
        raise


class _Batch:
    """What decides about the drafts, and what is to be stored."""

    def __init__(
        self, database: Database, drafts: Sequence[Prepared], patience: float | None, *, skip_held: bool
    ) -> None:
        self._database = database
        self._say = statements.APPENDING[database.engine]
        ids = {each.draft.conversation for each in drafts}
        self._places = _hold(database, ids, patience, skip_held=skip_held)
        self._senders, self._known = _ask(database, [each.draft for each in drafts])
        self._at = now()
        self._said: tuple[datetime.datetime | None, Any] = (None, None)
        self._new: list[dict[str, Any]] = []
        self._touched: set[str] = set()

    def place(self, prepared: Prepared) -> Outcome:
        """Give a draft its place, or refuse it."""
        draft = prepared.draft
        key = _key(draft.conversation, draft.sender, draft.client_id, draft.id)
        if (message := self._known.get(key)) is not None:
            return Stored(message, repeat=True)
        if (sender := self._senders.get((draft.conversation, draft.sender))) is None:
            return unauthorized()
        if (place := self._places.get(draft.conversation)) is None:
            return Busy()
        try:
            access.must_be_open(place.status)
            _must_send(sender, draft)
        except ChatError as error:
            return error
        self._known[key] = message = self._add(prepared, place)
        return Stored(message, repeat=False)

    def store(self) -> None:
        """Store what was placed."""
        if not self._new:
            return
        ends = [(id, self._places[id]) for id in sorted(self._touched)]
        moved = [{"id": id, "seq": place.last_seq, "at": self._moment(place.last_at)} for id, place in ends]
        if self._say.advance:
            self._database.write(self._say.advance, _json(moved))
            self._database.write(self._say.insert, _json(self._new))
        else:
            self._database.write(self._say.insert, [*_json(moved), *_json(self._new)])

    def _add(self, prepared: Prepared, place: _Place) -> Message:
        draft = prepared.draft
        at = self._at if place.last_at is None else max(self._at, place.last_at)
        message = Message(
            id=draft.id,
            conversation=draft.conversation,
            seq=place.last_seq + 1,
            sender=draft.sender,
            kind=draft.kind,
            content=prepared.content.value,
            metadata=prepared.metadata.value,
            client_id=draft.client_id,
            created_at=at,
        )
        self._places[draft.conversation] = _Place(place.status, message.seq, at)
        self._touched.add(draft.conversation)
        self._new.append(
            {
                "id": message.id,
                "conversation_id": message.conversation,
                "seq": message.seq,
                "sender_id": message.sender,
                "kind": message.kind,
                "content": msgspec.Raw(prepared.content.text),
                "metadata": msgspec.Raw(prepared.metadata.text),
                "client_id": message.client_id,
                "created_at": self._moment(at),
                "shard_key": shard_of(message.conversation),
            }
        )
        return message

    def _moment(self, moment: datetime.datetime | None) -> Any:
        if moment is not self._said[0]:  # mostly, all are the same
            self._said = (moment, None if moment is None else self._database.moment(moment))
        return self._said[1]


def _is_held(error: ChatError) -> bool:
    """Return whether PostgreSQL gave up waiting for a lock, so that nothing was stored."""
    cause = error.__cause__
    return cause is not None and getattr(cause.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def _hold(database: Database, ids: set[str], patience: float | None, *, skip_held: bool) -> dict[str, _Place]:
    say = statements.APPENDING[database.engine]
    values = _json([{"id": id} for id in ids])
    if database.locks:
        values.insert(0, None if patience is None else f"{max(1, int(patience * 1000))}ms")
    found = database.rows(say.hold_free if skip_held else say.hold, values)
    return {
        id: _Place(status, last_seq, None if last_at is None else rows.moment(last_at))
        for id, status, last_seq, last_at in found
    }


def _ask(database: Database, drafts: list[Draft]) -> tuple[dict[tuple[str, str], _Sender], dict[Key, Message]]:
    """Return those senders that are members, and what was stored before."""
    found = database.rows(statements.APPENDING[database.engine].ask, _json(list(map(_asked, drafts))))
    senders = {
        (conversation, sender): _Sender(status, kind) for conversation, sender, status, kind, _ in found if status
    }
    known = [{"id": id, "shard": shard_of(conversation)} for conversation, *_, id in found if id is not None]
    return senders, _known(database, known) if known else {}


def _asked(draft: Draft) -> dict[str, Any]:
    asked = {"conversation": draft.conversation, "shard": shard_of(draft.conversation), "sender": draft.sender}
    return {**asked, "id": draft.id} if draft.client_id is None else {**asked, "client_id": draft.client_id}


def _must_send(sender: _Sender, draft: Draft) -> None:
    """Refuse who may not send this.

    Raises:
        ChatError: ``disabled``, ``invalid``.
    """
    if sender.status != ParticipantStatus.ACTIVE:
        raise access.disabled(draft.sender)
    allowed = MAY_SEND[ParticipantKind(sender.kind)]
    if draft.kind not in allowed:
        raise invalid(kind=f"must be one of {', '.join(sorted(allowed))} from the kind {sender.kind}")


def _known(database: Database, ids: list[dict[str, Any]]) -> dict[Key, Message]:
    messages = map(rows.message, database.rows(statements.APPENDING[database.engine].stored, _json(ids)))
    return {_key(each.conversation, each.sender, each.client_id, each.id): each for each in messages}


def _json(objects: list[dict[str, Any]]) -> list[Any]:
    """Return a list as the values of a statement."""
    return [msgspec.json.encode(objects).decode(), len(objects)]


def _key(conversation: str, sender: str, client_id: str | None, id: str) -> Key:
    return conversation, sender, client_id, id if client_id is None else ""
