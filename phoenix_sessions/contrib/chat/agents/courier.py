"""Delivers what there is in a conversation, one delivery at a time over all workers.

Rules:
    1. Whoever delivers holds the conversation's lease, and asks before each step that must not be done twice.
    2. A delivery is tried so often, with pauses that grow and are not in step, or that the endpoint asks for. Each try
       is logged before it is made, so that whoever makes the next one knows of it, and before its reply is appended.
    3. The reply has a client_id that follows from the delivery, so it is stored once; then it is noted how far the
       agent was given the conversation. If somebody dies in between, the next one finds the reply.
    4. What was tried in vain is passed over, and the log says so.

The tries are stamina's: its pauses have jitter, and its hook takes the pause that an endpoint asks for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec, TypeVar

import httpx
import msgspec
import stamina

from phoenix_sessions import Lease, sessions

from .. import storage
from ..conf import get_config
from ..endpoints import Delivery
from ..errors import ChatError
from ..gateway import LARGEST_CHUNK, gateway
from ..kinds import DeliveryStatus, MessageKind
from ..storage.checks import prepare
from ..twins import twin
from ..types import Draft
from .answers import Lost, Outcome, Reply, Tell
from .callables import Callee
from .threads import Threads
from .turn import Turn, reply_id
from .webhook import Webhook
from .work import Target, Work, find_work, target_of

logger = logging.getLogger("phoenix_sessions.chat")

_PATIENCE: Final = 60.0
"""How long something is tried to be stored (seconds)."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_find_work = twin(find_work)
_target_of = twin(target_of)
_log = twin(storage.log_delivery)
_mark = twin(storage.mark_delivered)


class _Again(Exception):
    """A try that may end better."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class Courier:
    """Delivers.

    Args:
        transport: Sends requests, to where they may be sent.
        threads: Where functions that block are called.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, threads: Threads) -> None:
        self._transport = transport
        self._threads = threads

    async def deliver(self, conversation: str) -> bool:
        """Make the next delivery, if there is one, and return whether there is another.

        Raises:
            Lost: Another worker is at it, or may be.
            ChatError: ``unavailable``, ``backpressure``.
            BackendUnavailable: The leases' engine cannot be asked.
        """
        lease = await sessions.aclaim(f"chat.agent.{conversation}", get_config().agent_lease, keep=True)
        if lease is None:
            raise Lost
        async with lease:
            work = await _find_work(conversation)
            if work is None:
                return False
            await self._carry_out(work, lease)
            return await _find_work(conversation) is not None

    async def _carry_out(self, work: Work, lease: Lease) -> None:
        turn = work.turn
        outcome = await self._tries(work, lease)
        seq = turn.last_seq
        if outcome.reply is not None:
            _must_be_held(lease)
            stored = await _append(turn, outcome.reply)
            seq += stored == seq + 1
        await _until_stored(_mark, turn.conversation.id, turn.agent, seq)

    async def _tries(self, work: Work, lease: Lease) -> Outcome:
        """Try until there is nothing more to be tried, and return how that ended."""
        config = get_config()
        tries = stamina.retry_context(
            on=_pause_after,
            attempts=config.agent_attempts - work.tried,
            timeout=None,
            wait_initial=min(config.agent_pause, config.agent_longest_pause),
            wait_max=config.agent_longest_pause,
            wait_jitter=config.agent_pause,
        )
        try:
            async for attempt in tries:
                with attempt:
                    return await self._try(work, work.tried + attempt.num, lease, first=attempt.num == 1)
        except _Again as last:
            return last.outcome
        except ChatError as error:
            if error.code != "disabled":
                raise
        return Outcome(DeliveryStatus.FAILED)

    async def _try(self, work: Work, attempt: int, lease: Lease, *, first: bool) -> Outcome:
        turn = work.turn
        target: Target | None = work.target if first else await _until_stored(_target_of, turn.agent)
        _must_be_held(lease)
        begun = await _until_stored(_log, _pending(turn, attempt))
        _must_be_held(lease)
        began = time.monotonic()
        outcome = _checked(turn, await self._ask(target or work.target, turn, attempt, _telling(turn, attempt, lease)))
        await _until_stored(_log, _ended(begun, outcome, time.monotonic() - began))
        _must_be_held(lease)
        if outcome.again:
            raise _Again(outcome)
        return outcome

    async def _ask(self, target: Target, turn: Turn, attempt: int, tell: Tell) -> Outcome:
        if isinstance(target, Callee):
            return await target.ask(turn, tell, self._threads)
        return await Webhook(target, self._transport).ask(turn, attempt, tell)


def _pause_after(error: Exception) -> bool | float:
    """Return whether to try again, or after how long (seconds)."""
    if not isinstance(error, _Again):
        return False
    pause = error.outcome.pause
    return True if pause is None else min(pause, get_config().agent_longest_pause)


def _must_be_held(lease: Lease) -> None:
    if not lease.held:
        raise Lost


def _pending(turn: Turn, attempt: int) -> Delivery:
    return Delivery(
        agent=turn.agent,
        conversation=turn.conversation.id,
        webhook_id=turn.webhook_id,
        last_seq=turn.last_seq,
        attempt=attempt,
        status=DeliveryStatus.PENDING,
    )


def _ended(begun: Delivery, outcome: Outcome, seconds: float) -> Delivery:
    return msgspec.structs.replace(
        begun,
        status=outcome.status,
        http_status=outcome.http_status,
        latency_ms=int(1000 * seconds),
        error=outcome.error,
    )


def _draft(turn: Turn, reply: Reply) -> Draft:
    return Draft(
        conversation=turn.conversation.id,
        sender=turn.agent,
        content=reply.content,
        kind=MessageKind.ASSISTANT,
        metadata={**reply.metadata, "webhook_id": turn.webhook_id},
        client_id=reply_id(turn.webhook_id),
    )


def _checked(turn: Turn, outcome: Outcome) -> Outcome:
    """Return an outcome without its reply if that cannot be stored, as the log shall say."""
    if outcome.reply is None:
        return outcome
    try:
        prepare(_draft(turn, outcome.reply))
    except ChatError as error:
        failed = {"status": DeliveryStatus.FAILED, "reply": None, "error": error.message}
        return msgspec.structs.replace(outcome, **failed)
    return outcome


async def _append(turn: Turn, reply: Reply) -> int | None:
    """Append a reply, and return its place; None = the conversation takes none from the agent any more."""
    try:
        stored = await _until_stored(gateway.aappend, _draft(turn, reply))
    except ChatError as error:
        if error.code not in ("closed", "disabled", "unauthorized"):
            raise
        logger.info("conversation %s: the reply of %r is not stored: %s", turn.conversation.id, turn.agent, error)
        return None
    return stored.message.seq


def _telling(turn: Turn, attempt: int, lease: Lease) -> Tell:
    """Return what tells the parts of an answer, each with its place."""
    index = 0

    async def tell(text: str) -> None:
        nonlocal index
        for start in range(0, len(text), LARGEST_CHUNK):
            _must_be_held(lease)
            part = text[start : start + LARGEST_CHUNK]
            try:
                await gateway.achunk(turn.conversation.id, turn.agent, f"{turn.webhook_id}.{attempt}", index, part)
            except Exception as error:  # the answer itself will be stored
                logger.warning("conversation %s: a part of an answer is not told: %s", turn.conversation.id, error)
            index += 1

    return tell


async def _until_stored(
    verb: Callable[Arguments, Awaitable[Result]], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Do something with the database, again and again while that does not answer, or this worker is too busy."""
    async for attempt in stamina.retry_context(on=_comes_back, attempts=None, timeout=_PATIENCE):
        with attempt:
            return await verb(*args, **kwargs)
    raise AssertionError("stamina tries until it works, or raises")


def _comes_back(error: Any) -> bool | float:
    """Return whether to ask again, or after how long (seconds)."""
    if not isinstance(error, ChatError) or error.reason == "draining" or error.retry_after_ms is None:
        return False
    return error.retry_after_ms / 1000
