"""What all talkers have seen, beside what the database holds."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .ground import Ground
from .talker import Talker

STORED: Final = """
    SELECT conversation_id, seq, id, sender_id, client_id FROM phoenix_chat_message
    WHERE conversation_id = ANY(%s) ORDER BY conversation_id, seq
"""
WRONG: Final = (
    *("lost", "unasked", "unacknowledged", "repeated", "holes", "disordered"),
    *("unequal", "doubled", "skipped", "truncated"),
)
PLACES: Final = "SELECT id, last_seq FROM phoenix_chat_conversation WHERE id = ANY(%s)"


class Sent(NamedTuple):
    """What somebody has sent to a conversation, in this order.

    Attributes:
        conversation: Where.
        sender: Who.
        ids: The client_ids.
        acknowledged: The place and the id of each that was acknowledged.
        in_order: Whether each was sent after the one before was acknowledged.
    """

    conversation: str
    sender: str
    ids: Sequence[str]
    acknowledged: Mapping[str, tuple[int, str]]
    in_order: bool = True


@dataclass
class Verdict:
    """Whether each message is there once, and was given once. All are counts if nothing else is said.

    Attributes:
        sent: Messages.
        acknowledged: Of those.
        stored: Rows.
        lost: Acknowledged, and not stored as it was acknowledged.
        unasked: Stored, and not sent.
        unacknowledged: Stored, and not acknowledged.
        repeated: Stored again under the same client_id.
        holes: Conversations whose places are not 1, 2, 3 … to the last one.
        disordered: Messages before another one that their sender had sent earlier.
        listeners: Who listened.
        unequal: Listeners whose list is not that of the database.
        doubled: Messages that a listener was given again.
        skipped: Places that were left out at first.
        truncated: Joins that did not give what was missing.
        given: Messages, to all listeners.
        closes: Why connections ended.
        refusals: What was answered but for acknowledgements.
        left: How often listeners have left.
    """

    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    unasked: int = 0
    unacknowledged: int = 0
    repeated: int = 0
    holes: int = 0
    disordered: int = 0
    listeners: int = 0
    unequal: int = 0
    doubled: int = 0
    skipped: int = 0
    truncated: int = 0
    given: int = 0
    left: int = 0
    closes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def findings(self) -> list[str]:
        """What should not be."""
        found = [f"{name}: {count}" for name in WRONG if (count := getattr(self, name))]
        if self.sent != self.acknowledged or self.acknowledged != self.stored:
            found.append(f"sent {self.sent}, acknowledged {self.acknowledged}, stored {self.stored}")
        return found


def sent_by(talker: Talker) -> Sent:
    """Return what a talker has sent."""
    return Sent(talker.conversation, talker.name, talker.ids, talker.acknowledged, talker.in_order)


def last_places(ground: Ground, conversations: Iterable[str]) -> dict[str, int]:
    """Return the last place of each of these conversations."""
    return dict(ground.rows(PLACES, [list(conversations)]))


def judge(ground: Ground, sent: Sequence[Sent], listeners: Sequence[Talker]) -> Verdict:
    """Return the verdict on all conversations that have a listener; everybody has ended."""
    conversations = {listener.conversation for listener in listeners}
    verdict = Verdict(listeners=len(listeners))
    truth: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    of: dict[tuple[str, str], list[tuple[int, str, str]]] = defaultdict(list)
    for conversation, seq, id, sender, client_id in ground.rows(STORED, [list(conversations)]):
        truth[conversation].append((seq, id, client_id))
        of[conversation, sender].append((seq, id, client_id))
    for conversation, last in last_places(ground, conversations).items():
        verdict.holes += [seq for seq, _, _ in truth[conversation]] != list(range(1, last + 1))
    verdict.stored = sum(map(len, truth.values()))
    for each in sent:
        _judge_sent(verdict, each, of.pop((each.conversation, each.sender), []))
    verdict.unasked += sum(map(len, of.values()))
    for listener in listeners:
        _judge_seen(verdict, listener, truth[listener.conversation])
    return verdict


def _judge_sent(verdict: Verdict, sent: Sent, rows: Sequence[tuple[int, str, str]]) -> None:
    verdict.sent += len(sent.ids)
    verdict.acknowledged += len(sent.acknowledged)
    stored = {client_id: (seq, id) for seq, id, client_id in rows}
    verdict.lost += sum(stored.get(client_id) != given for client_id, given in sent.acknowledged.items())
    verdict.repeated += len(rows) - len(stored)
    verdict.unasked += len(stored.keys() - set(sent.ids))
    verdict.unacknowledged += len(stored.keys() - sent.acknowledged.keys())
    if sent.in_order:
        places = {client_id: place for place, client_id in enumerate(sent.ids)}
        order = [places[client_id] for _, _, client_id in rows if client_id in places]
        verdict.disordered += sum(one > next for one, next in itertools.pairwise(order))


def _judge_seen(verdict: Verdict, listener: Talker, truth: Sequence[tuple[int, str, str]]) -> None:
    verdict.unequal += listener.seen != truth
    verdict.doubled += listener.doubled
    verdict.skipped += listener.holes
    verdict.truncated += listener.truncated
    verdict.given += len(listener.seen)
    verdict.left += listener.left
    verdict.closes += listener.closes
    verdict.refusals += listener.refusals
