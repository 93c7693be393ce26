"""Agents whose deliveries are under way when workers die."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from .endpoint import Asked
from .ground import Ground
from .verdict import Sent

REPLIES: Final = """
    SELECT conversation_id, sender_id, seq, id, client_id, content FROM phoenix_chat_message
    WHERE conversation_id = ANY(%s) AND kind = 'assistant' ORDER BY seq
"""


class Answers:
    """What agents have answered in some conversations.

    Args:
        ground: Where.
        conversations: Each of somebody and an agent.
        expected: How many messages are to be answered (count).
    """

    def __init__(self, ground: Ground, conversations: Sequence[str], expected: int) -> None:
        self._ground = ground
        self._conversations = list(conversations)
        self._expected = expected

    def wait(self, seconds: float) -> list[Sent]:
        """Wait until everything is answered, or so long; returns what agents have sent."""
        deadline = time.monotonic() + seconds
        while len(set(self._texts())) < self._expected and time.monotonic() < deadline:
            time.sleep(0.2)
        return self._sent()

    def findings(self, asked: Sequence[Asked]) -> list[str]:
        """Return what should not be.

        Args:
            asked: What the agents' endpoint was asked.
        """
        answers = Counter(self._texts())
        found = []
        if len(answers) != self._expected:
            found.append(f"{self._expected - len(answers)} messages are not answered")
        if more := sum(count > 1 for count in answers.values()):
            found.append(f"{more} messages are answered more than once")
        tries: dict[str, list[Asked]] = defaultdict(list)
        for each in asked:
            tries[each.id].append(each)
        if others := sum(len({each.texts for each in same}) > 1 for same in tries.values()):
            found.append(f"{others} deliveries had other messages when they were tried again")
        deliveries = Counter(itertools.chain.from_iterable(same[0].texts for same in tries.values()))
        if twice := sum(count > 1 for count in deliveries.values()):
            found.append(f"{twice} messages were in more than one delivery")
        return found

    def _rows(self) -> list[tuple[str, str, int, str, str, dict[str, str]]]:
        return self._ground.rows(REPLIES, [self._conversations])

    def _texts(self) -> list[str]:
        """Return what was answered: the texts of the messages, as often as they were."""
        contents = (content if isinstance(content, dict) else json.loads(content) for *_, content in self._rows())
        return [text for content in contents for text in content["text"].split("\n")]

    def _sent(self) -> list[Sent]:
        """Return the replies as what the agents have sent, of which nobody else knows."""
        sent: dict[tuple[str, str], dict[str, tuple[int, str]]] = defaultdict(dict)
        for conversation, sender, seq, id, client_id, _ in self._rows():
            sent[conversation, sender][client_id] = seq, id
        return [Sent(*of, list(replies), replies) for of, replies in sent.items()]
