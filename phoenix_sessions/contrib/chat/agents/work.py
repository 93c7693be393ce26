"""What there is to be delivered in a conversation, as the database has it.

Rules:
    1. Only conversations of the kind ``agent_dm``. Of two agents each is given what the other says.
    2. What is sent while an agent, or its endpoint, is disabled is passed over, for good: it is not sent when the agent
       is enabled again. An agent that is neither a function here nor registered is left alone, and what is sent to it
       waits until it is.
    3. What a worker has tried before it died is tried again as it was, and counted on, unless the log says that it
       would end as before.
    4. What a stored reply answers was delivered, though whoever stored it died before it could say so.
    5. Two agents answer one another so often in a row. What comes then is passed over, until one of them says something
       by itself.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from .. import storage
from ..conf import get_config
from ..endpoints import Delivery, Endpoint
from ..errors import ChatError
from ..kinds import ConversationKind, DeliveryStatus, ParticipantKind, ParticipantStatus
from ..types import Conversation
from .callables import Callee, callee_of
from .turn import Turn, answered, begins, is_reply, make_turn
from .webhook import may_end_better

logger = logging.getLogger("phoenix_sessions.chat")

Target = Callee | Endpoint

_LOGGED: Final = 50


class Work(msgspec.Struct, frozen=True):
    """A delivery that is to be made.

    Attributes:
        turn: What is delivered.
        target: To where.
        tried: How often it was tried before, by a worker that has died (count).
    """

    turn: Turn
    target: Target
    tried: int


def agents_in(conversation: str) -> tuple[str, ...]:
    """Return the agents whom messages in a conversation are sent to, by id.

    Raises:
        ChatError: ``unavailable``.
    """
    shown = _shown(conversation)
    return () if shown is None else _agents(shown)


def find_work(conversation: str) -> Work | None:
    """Return the next delivery of a conversation, None = there is none; whoever asks holds its lease.

    Raises:
        ChatError: ``unavailable``.
    """
    shown = _shown(conversation)
    if shown is None:
        return None
    found = (_find_for(shown, agent) for agent in _agents(shown))
    return next((work for work in found if work is not None), None)


def target_of(agent: str) -> Target | None:
    """Return where to deliver to, None = nowhere.

    Raises:
        ChatError: ``disabled``, ``unavailable``.
    """
    if storage.show_participant(agent).status != ParticipantStatus.ACTIVE:
        raise ChatError("disabled", f"the participant {agent!r} is disabled")
    if (callee := callee_of(agent)) is not None:
        return callee
    try:
        endpoint = storage.agent_endpoint(agent)
    except ChatError as error:
        if error.code == "not_found":
            return None
        raise
    if endpoint.status != ParticipantStatus.ACTIVE:
        raise ChatError("disabled", f"the agent {agent!r} is disabled")
    return endpoint


def _shown(conversation: str) -> Conversation | None:
    try:
        return storage.show_conversation(conversation, None)
    except ChatError as error:
        if error.code == "not_found":
            return None
        raise


def _agents(conversation: Conversation) -> tuple[str, ...]:
    if conversation.kind != ConversationKind.AGENT_DM:
        return ()
    return tuple(member.participant for member in conversation.members if member.kind == ParticipantKind.AGENT)


def _find_for(conversation: Conversation, agent: str) -> Work | None:
    config = get_config()
    while True:
        after = storage.delivered_seq(conversation.id, agent)
        page = storage.history(conversation.id, None, after_seq=after, limit=config.max_page_size).messages
        disabled, target = _whereabouts(agent)  # asked after the page: what is in it was sent before
        if not page or (target is None and not disabled):
            return None
        seq = answered(page, conversation.id, agent, after)
        if seq is None:
            tries = _tries(conversation.id, agent, after)
            page = tuple(message for message in page if not tries or message.seq <= tries[0].last_seq)
            turn = make_turn(conversation, agent, after, page, config.agent_request_bytes)
            tried = max((each.attempt for each in tries if each.status != DeliveryStatus.DELIVERED), default=0)
            over = tried >= config.agent_attempts or (bool(tries) and _is_final(tries[0], target))
            if turn.messages and target is not None and not over and not _go_on_and_on(conversation, turn):
                return Work(turn, target, tried)
            seq = page[-1].seq if target is None else turn.last_seq
        storage.mark_delivered(conversation.id, agent, seq)


def _whereabouts(agent: str) -> tuple[bool, Target | None]:
    """Return whether an agent is disabled, and where it is."""
    try:
        return False, target_of(agent)
    except ChatError as error:
        if error.code != "disabled":
            raise
        return True, None


def _tries(conversation: str, agent: str, after: int) -> list[Delivery]:
    """Return the tries of the delivery that begins here, the last first."""
    tries = storage.tries_in(conversation, agent, _LOGGED)
    return [each for each in tries if begins(each.webhook_id, conversation, agent, after)]


def _is_final(last: Delivery, target: Target | None) -> bool:
    """Return whether a try has ended so that another would end as it did."""
    if last.status in (DeliveryStatus.PENDING, DeliveryStatus.DELIVERED):
        return False
    return isinstance(target, Callee) or not may_end_better(last.http_status)


def _go_on_and_on(conversation: Conversation, turn: Turn) -> bool:
    """Return whether two agents have answered one another too often."""
    if len(_agents(conversation)) < 2:
        return False
    most = min(get_config().agent_rounds, get_config().max_page_size)
    page = storage.history(conversation.id, None, before_seq=turn.last_seq + 1, limit=most).messages
    if len(page) < most or not all(map(is_reply, page)):
        return False
    logger.warning("conversation %s: two agents have answered one another %d times: it is over", conversation.id, most)
    return True
