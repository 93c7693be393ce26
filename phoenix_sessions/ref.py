"""A handle on one session: what ``request.session_process`` and ``sessions.start_session`` give.

Rules:
    1. A ref is an id and the manager that knows it: cheap, hashable, never stale. What it names may have ended:
       then every verb raises SessionNotFound.
    2. A verb that can wait has an ``a…`` twin, and raises Django's SynchronousOnlyOperation on a thread with a running
       event loop, on every backend. Inside a handler, reducer or receiver of the session it raises ReentrantCall.
    3. ``dispatch_nowait``, ``cast``, ``touch``, ``unsubscribe``, ``state``, ``version``, ``epoch``, ``look`` and
       ``facts`` never wait and are allowed everywhere.
"""

from __future__ import annotations

import contextlib
from asyncio import CancelledError, _get_running_loop
from collections.abc import Callable, Mapping
from typing import Any

from .changes import Changes
from .core.errors import MailboxFull
from .core.selector import Selector, check_selector
from .core.subscriber import Receiver, Subscriber, Tell
from .dispatching import Dispatching
from .handle import Work
from .process import Seconds, seconds
from .reading import Reading
from .retrying import aretry, retry
from .runtime import handlers, shortcuts
from .runtime.session import Session
from .runtime.shortcuts import UNDONE
from .runtime.stats import SessionFacts, session_facts
from .subscription import EventReceiver, FunctionReceiver, Subscription
from .travelling import Travelling
from .waiting import refuse_on_event_loop


class SessionRef(Dispatching, Reading, Travelling):
    """A handle on the session of this id."""

    __slots__ = ()

    # -- what never waits ------------------------------------------------------------------------------------------

    @property
    def facts(self) -> SessionFacts:
        """What the session is and does, as this worker last saw it: subscribers, expiry, age and so on."""
        return session_facts(self._seen())

    def cast(self, request: Any) -> None:
        """Send a message that wants no answer to ``handle_cast``.

        Raises:
            CastFailed: Its handler refused or crashed, and the session was free to handle it at once. Otherwise nobody
                waits for it and the failure goes to the log and to telemetry.
            SessionNotFound, MailboxFull: It was not taken.
        """

        def post(session: Session, wherever: Callable[[Work], Work]) -> None:
            later = wherever(handlers.cast_unasked)
            session.post_or(session.spec.async_cast, handlers.cast, later, session, request)

        self._post(post)

    def touch(self) -> None:
        """Put off the expiry, as every message does."""
        self._manager.with_session(self.id, _touch)

    # -- what can wait ---------------------------------------------------------------------------------------------

    def call(self, request: Any, timeout: Seconds | None = None, *, retries: int = 0) -> Any:
        """Ask ``handle_call`` and return its answer.

        Args:
            request: Anything that the process class knows.
            timeout: How long to wait (seconds; default: the CALL_TIMEOUT setting). It bounds the wait for the turn and
                for an ``async def`` handler; a ``def`` handler runs on this thread, to its end.
            retries: How many times to try again when the call was certainly not handled: a full mailbox, or a timeout
                before the handler had begun (count).

        Raises:
            CallFailed: The handler refused or crashed.
            CallTimeout: No answer in time; ``.started`` says whether the handler had begun.
            SessionNotFound, SessionStopped, MailboxFull, ReentrantCall: It was not handled.
        """
        if timeout is None and not retries and _get_running_loop() is None:
            lookup = self._manager.lookup
            found = lookup(self.id)
            if found is not None and (answer := shortcuts.call(found, request)) is not UNDONE:
                return answer
        refuse_on_event_loop("call")
        wait = self._timeout(timeout)

        def attempt() -> Any:
            return self._ask(lambda session: (session.spec.async_call, wait, handlers.call, session, request))

        return retry(attempt, retries, self._manager.supervisor.clock) if retries else attempt()

    async def acall(self, request: Any, timeout: Seconds | None = None, *, retries: int = 0) -> Any:
        """Async twin of ``call``; a ``def`` handler runs on the loop's thread, so it must be quick."""
        if timeout is None and not retries:
            found = self._manager.lookup(self.id)
            if found is not None and (answer := shortcuts.call(found, request)) is not UNDONE:
                return answer
        wait = self._timeout(timeout)

        async def attempt() -> Any:
            return await self._aask(lambda session: (session.spec.async_call, wait, handlers.call, session, request))

        return await (aretry(attempt, retries, self._manager.supervisor.clock) if retries else attempt())

    async def acast(self, request: Any) -> None:
        """Async twin of ``cast``."""
        self.cast(request)

    def subscribe(
        self, selector: Selector = None, event_name: str = "state_changed", *, receiver: EventReceiver
    ) -> Subscription:
        """Have ``receiver(event_name, value)`` called at once, and again whenever the selected value changes.

        See ``phoenix_sessions.subscription`` for the rules of receivers.

        Raises:
            SelectorError: The selector raised, or its path leads nowhere; nothing was subscribed.
            TypeError: The receiver is no plain function.
        """
        refuse_on_event_loop("subscribe")
        check_selector(selector)
        function = FunctionReceiver(receiver)
        session, (function.subscriber, _) = self._reach(
            lambda session: (True, None, session.subscribe, {event_name: selector}, function, None, function.tell)
        )
        return Subscription(session, function.subscriber)

    async def asubscribe(
        self, selector: Selector = None, event_name: str = "state_changed", *, receiver: EventReceiver
    ) -> Subscription:
        """Async twin of ``subscribe``."""
        check_selector(selector)
        function = FunctionReceiver(receiver)
        session, function.subscriber, _ = await self._subscribed({event_name: selector}, function, None, function.tell)
        return Subscription(session, function.subscriber)

    async def asubscribe_all(
        self, selectors: Mapping[str, Selector], receiver: Receiver, since: tuple[int, int] | None = None
    ) -> tuple[Subscription, bool]:
        """Subscribe a ``Receiver`` to several selectors at once; what consumers stand on.

        Args:
            selectors: The selector behind each event name.
            receiver: Told all that one commit changes at once.
            since: The (epoch, version) that it has already; it is told only what changed after.

        Returns the subscription, and whether ``since`` is a point of this life.
        """
        for selector in selectors.values():
            check_selector(selector)
        session, subscriber, known = await self._subscribed(selectors, receiver, since, None)
        return Subscription(session, subscriber), known

    def changes(self, **selectors: Selector) -> Changes:
        """Return the changes of these selectors, for ``async with`` and ``async for``; latest values win."""
        for selector in selectors.values():
            check_selector(selector)
        return Changes(self, selectors)

    def terminate(self, reason: str = "normal") -> None:
        """End the session for good.

        Raises:
            SessionNotFound: It does not run.
        """
        self._manager.terminate(self.id, reason)

    async def aterminate(self, reason: str = "normal") -> None:
        """Async twin of ``terminate``."""
        await self._manager.aterminate(self.id, reason)

    def started(self) -> bool:
        """Return whether the session runs."""
        return self._manager.started(self.id)

    async def astarted(self) -> bool:
        """Async twin of ``started``."""
        return await self._manager.astarted(self.id)

    async def _subscribed(
        self,
        selectors: Mapping[str, Selector],
        receiver: Receiver,
        since: tuple[int, int] | None,
        tell: Tell | None,
    ) -> tuple[Session, Subscriber, bool]:
        asked: list[Session] = []

        def message(session: Session) -> tuple[Any, ...]:
            asked.append(session)
            return True, None, session.subscribe, selectors, receiver, since, tell

        try:
            session, (subscriber, known) = await self._areach(message)
        except CancelledError:  # maybe in the very moment of its turn, and then nobody could ever unsubscribe it
            for session in asked[-1:]:
                with contextlib.suppress(MailboxFull):
                    session.post(True, session.disown, receiver)
            raise
        return session, subscriber, known

    def _timeout(self, timeout: Seconds | None) -> float:
        return self._manager.config.call_timeout if timeout is None else seconds(timeout)


def _touch(session: Session) -> None:
    session.touch()
