"""The one door to the chat: HTTP, sockets, the admin and agents call ``gateway``, and nothing below it.

Rules:
    1. Every verb has an async twin, with an ``a`` before its name, that holds up no event loop.
    2. It is committed first and told then. Once it is on its way to the database, it is told when it is committed,
       also if the caller does not wait any more; what could not be told fails no verb. In a transaction of the
       caller's a verb is a part of it, and told after its commit; async twins are in none.
    3. It holds nothing that must not be lost: who may do what, and what was sent before, the database knows.
    4. When the worker stops, whoever would change something gets ``backpressure``; what was acknowledged is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from concurrent.futures import Future
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.core.signals import setting_changed

from phoenix_sessions import sessions

from . import conf, live, storage
from .asking import Asking
from .commanding import Commanding
from .counters import Counters
from .errors import ChatError, invalid, unauthorized
from .events import Chunk, Typing
from .gate import Gate
from .limits import SendRate
from .processes import members_of
from .telling import Hook
from .transactions import after_commit, in_transaction
from .turns import Turns
from .twins import twin
from .types import Draft, Stored
from .writer import Writer

TYPING_PER_SECOND: Final = 1.0
LARGEST_CHUNK: Final = 8_000
"""How long a chunk's text may be (characters): as JSON, it must be no more than an event may hold."""
_STREAM_LENGTH: Final = 128


class Gateway(Asking, Commanding):
    """The chat's verbs; errors are ``ChatError``.

    Attributes:
        counters: What this OS process has done, in numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._sends = SendRate(None)
        self._typing = SendRate(TYPING_PER_SECOND)
        self.counters = Counters()

    @property
    def on_sent(self) -> list[Hook]:
        """What is called with each new message's conversation and the message, after its commit; must not block."""
        return self._telling.on_sent

    @property
    def draining(self) -> bool:
        """Return whether this worker stops, so that it changes nothing any more."""
        return self._gate.closed

    @property
    def waiting(self) -> int:
        """Return how many appends wait or are being stored (count)."""
        return 0 if self._writer is None else len(self._writer)

    # -- sending -------------------------------------------------------------------------------------------------------

    def append(self, draft: Draft) -> Stored:
        """Store a message, and return it when it is committed; a repeat is given the first one.

        Raises:
            ChatError: ``unauthorized``, ``closed``, ``disabled``, ``invalid``, ``too_large``; ``rate_limited`` and
                ``backpressure`` say when to come again; ``unavailable`` if the database does not answer in time, which
                may have stored it: send it again with the same client_id.
        """
        with self._gate:
            writer = self._ready_writer()
            self._sends.check(draft.sender)
            if in_transaction():
                return self._append_here(draft)
            stored: Stored = writer.append(draft)
            self._tell(stored)
        return stored

    async def aappend(self, draft: Draft) -> Stored:
        """Async twin of ``append``; if it is cancelled, what is stored nevertheless is told."""
        with self._gate:
            writer = self._ready_writer()
            self._sends.check(draft.sender)
            try:
                stored = await writer.aappend(draft)
            except asyncio.CancelledError:
                self._finish_without(writer, draft)
                raise
            self._tell(stored)
        return stored

    def _append_here(self, draft: Draft) -> Stored:
        """Store it in the caller's own transaction."""
        [outcome] = storage.append_batch([draft])
        if isinstance(outcome, ChatError):
            raise outcome
        after_commit(lambda: self._tell(outcome))
        return outcome

    def _finish_without(self, writer: Writer, draft: Draft) -> None:
        """Hand it in once more, with nobody but us to hear: it waits behind the first, and is a repeat of it."""
        with contextlib.suppress(ChatError):
            writer.submit(draft).add_done_callback(self._tell_if_stored)

    def _tell_if_stored(self, future: Future[Stored]) -> None:
        if future.exception() is None:
            self._tell(future.result())

    def _tell(self, stored: Stored) -> None:
        self.counters.stored(stored)
        self._telling.sent(stored.message)

    # -- what is not stored --------------------------------------------------------------------------------------------

    async def atyping(self, conversation: str, participant: str) -> None:
        """Tell that somebody is typing, at most once a second; what is too often is not told.

        Raises:
            ChatError: ``unauthorized``, ``backpressure``.
        """
        with self._gate:
            await _must_be_member(conversation, participant)
            if not self._typing.take(f"{conversation} {participant}"):
                live.tell(conversation, Typing(conversation, participant))

    async def achunk(self, conversation: str, sender: str, stream: str, index: int, text: str) -> None:
        """Tell a part of an answer that is being written; the answer itself is appended when it is whole.

        Args:
            conversation: Where.
            sender: Who writes it.
            stream: Which answer, the same for all its parts.
            index: The part's place in the answer: 0, 1, 2, …
            text: What is added.

        Raises:
            ChatError: ``unauthorized``, ``invalid``, ``too_large``, ``backpressure``.
        """
        _check_chunk(stream, index, text)
        with self._gate:
            await _must_be_member(conversation, sender)
            live.tell(conversation, Chunk(conversation, sender, stream, index, text))

    def typing(self, conversation: str, participant: str) -> None:
        """Sync twin of ``atyping``."""
        async_to_sync(self.atyping)(conversation, participant)

    def chunk(self, conversation: str, sender: str, stream: str, index: int, text: str) -> None:
        """Sync twin of ``achunk``."""
        async_to_sync(self.achunk)(conversation, sender, stream, index, text)

    # -- the end -------------------------------------------------------------------------------------------------------

    def drain(self, seconds: float) -> bool:
        """Take no more changes, finish those that are on their way, and tell them; for good.

        Args:
            seconds: How long that may take.

        Returns:
            Whether everything was stored and told.
        """
        end = time.monotonic() + seconds
        self._gate.close()
        with self._lock:
            writer = self._writer
        stored = writer is None or writer.drain(seconds)
        left = self._gate.wait_until_empty(max(0.0, end - time.monotonic()))
        return self._telling.drain(max(0.0, end - time.monotonic())) and left and stored

    adrain = twin(drain)

    def begin_again(self) -> None:
        """Begin as if nothing had been, with the settings as they are; what waits to be stored is stored first."""
        with self._lock:
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.drain(2 * writer.config.append_patience)
        self._telling.end()
        self._begin()

    def begin_forked(self) -> None:
        """Begin in a forked child: what waits, and who is at work, is the parent's; the writer knows by itself."""
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._gate = Gate()
        self._turns = Turns()
        self._typing = SendRate(TYPING_PER_SECOND)
        self._sends = SendRate(None if self._writer is None else self._writer.config.sends_per_second)
        self._telling.begin_again()

    def _ready_writer(self) -> Writer:
        if self._writer is None:
            with self._lock:
                if self._writer is None:
                    self._sends = SendRate(conf.get_config().sends_per_second)
                    self._writer = Writer()
        return self._writer


async def _must_be_member(conversation: str, participant: str) -> None:
    if participant not in await members_of(conversation):
        raise unauthorized()


def _check_chunk(stream: str, index: int, text: str) -> None:
    if not stream or len(stream) > _STREAM_LENGTH:
        raise invalid(stream=f"must be 1 to {_STREAM_LENGTH} characters")
    if index < 0:
        raise invalid(index="must be a whole number from 0")
    if len(text) > LARGEST_CHUNK:
        rule = f"is {len(text)} characters, and may be {LARGEST_CHUNK}"
        raise ChatError("too_large", f"text {rule}", {"text": rule})


gateway: Final = Gateway()


def _at_stop(seconds: float) -> None:
    gateway.drain(seconds / 2)  # the sessions want to leave, too


def _settings_changed(*, setting: str, **kwargs: Any) -> None:
    if setting == conf.NAME:  # in tests, some of which are async
        beginning = threading.Thread(target=gateway.begin_again)
        beginning.start()
        beginning.join()


sessions.at_stop(_at_stop)
setting_changed.connect(_settings_changed)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=gateway.begin_forked)
