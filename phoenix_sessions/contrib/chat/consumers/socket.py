"""What both sockets have in common: who comes, and what comes in.

Rules:
    1. A participant is known by the token in the subprotocol, by the site's session, or by a first frame ``auth``
       within ten seconds. A token is never in the URL.
    2. Who is disabled, has logged out, or has a token that expires, is let go, within a minute.
    3. Whatever a client sends that is no frame of the protocol is refused, and the socket lives on.
    4. Frames are taken here and not by channels' dispatch, which has a thread look after database connections for each.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, ClassVar, Final

from phoenix_sessions import sessions

from .. import agents
from ..auth import Unauthenticated, aparticipant_of_scope
from ..conf import get_config
from ..errors import ChatError
from ..gateway import gateway
from ..kinds import ParticipantStatus
from .codes import FORBIDDEN, RECONNECT, UNAUTHENTICATED
from .flood import Bucket
from .frames import AckFrames, Auth, BadFrame, ErrorFrame, InFrame, Send, decode
from .leaving import open_sockets
from .standing import scope_now
from .wire import Wire, now

logger = logging.getLogger("phoenix_sessions.chat")

SUBPROTOCOL: Final = "phoenix-chat"
BEARER: Final = "bearer."


class ChatSocket(Wire):
    """One connection of a participant.

    Attributes:
        auth_timeout: How long a client may leave it open who it is (seconds).
        recheck_seconds: How often it is looked whether the participant may stay.
        frames_per_second, frame_burst: What a client may send but for acknowledgements, and for messages, of which the
            setting SENDS_PER_SECOND and ``max_unanswered`` say how many.
        participant: Who it is, None = not known yet.
    """

    auth_timeout: ClassVar[float] = 10.0
    recheck_seconds: ClassVar[float] = 60.0
    frames_per_second: ClassVar[float] = 100.0
    frame_burst: ClassVar[float] = 200.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.participant: str | None = None
        self._token: str | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._frames = Bucket(self.frames_per_second, self.frame_burst)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        await super().__call__(scope, partial(self._receive, receive), send)

    # -- for the two sockets -----------------------------------------------------------------------------------------

    async def admitted(self) -> None:
        """Begin; the participant is known and active.

        Raises:
            ChatError: What is wanted is not to be had.
        """

    async def take(self, frame: InFrame) -> None:
        """Take a frame of a participant."""
        raise NotImplementedError

    # -- who comes -----------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Accept, so that a close code can be told, and find out who comes."""
        agents.start()
        offered = self.scope.get("subprotocols", [])
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        open_sockets.add(self)
        if sessions.stopping:
            await self.hang_up(RECONNECT)
            return
        tokens = [each[len(BEARER) :] for each in offered if each.startswith(BEARER)]
        await self._identify(tokens[0] if tokens else None, last_chance=bool(tokens))
        if self.participant is None and not self.over:
            self._waiting = self.at_work(self._close_unless_known())

    async def _identify(self, token: str | None, *, last_chance: bool) -> None:
        try:
            participant = await aparticipant_of_scope(self.scope, token)
        except Unauthenticated as error:
            if last_chance:
                await self._turn_away(ErrorFrame("unauthenticated", error.message))
            return
        except Exception as error:
            await self.fail(error)
            return
        self._token = token
        try:
            await self._must_be_active(participant)
            if not self.over:
                self.participant = participant
                await self.admitted()
                self.at_work(self._recheck(participant))
        except Exception as error:
            await self.fail(error)

    async def _must_be_active(self, participant: str) -> None:
        shown = await gateway.ashow_participant(participant)
        if shown.status != ParticipantStatus.ACTIVE:
            raise ChatError("disabled", "this participant is disabled")

    async def _close_unless_known(self) -> None:
        await asyncio.sleep(self.auth_timeout)
        await self._turn_away(ErrorFrame("unauthenticated", "nobody has said in time who it is"))

    async def _turn_away(self, frame: ErrorFrame) -> None:
        gateway.counters.refused(frame.code)
        await self.hang_up(UNAUTHENTICATED, frame)

    async def _recheck(self, participant: str) -> None:
        while not self.over:
            await asyncio.sleep(self.recheck_seconds)
            try:
                scope = self.scope if self._token is not None else await scope_now(self.scope)
                if await aparticipant_of_scope(scope, self._token) != participant:
                    raise Unauthenticated("somebody else is logged in now")
                await self._must_be_active(participant)
            except Unauthenticated:
                await self.hang_up(UNAUTHENTICATED)
            except ChatError as error:
                if error.code in ("disabled", "not_found"):
                    await self.hang_up(FORBIDDEN)
            except Exception:
                logger.exception("cannot tell whether a participant may stay")

    # -- what comes in -------------------------------------------------------------------------------------------------

    async def _receive(self, receive: Any) -> Any:
        """Return the next message of the server that is no frame."""
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                self.over |= message["type"] == "websocket.disconnect"  # whatever is sent from now on is too late
                return message
            if not self.over:
                try:
                    await self._take(message.get("text"))
                except Exception as error:
                    await self.fail(error)

    async def _take(self, text: str | None) -> None:
        config = get_config()
        try:
            frame = decode(text, 3 * (config.max_content_bytes + config.max_metadata_bytes) + 4096)
        except BadFrame as error:
            await self.refuse(ErrorFrame(error.code, str(error), error.client_id))
            return
        if isinstance(frame, AckFrames):
            if not self.window.acknowledge(frame.ack):
                await self.refuse(ErrorFrame("bad_frame", f"there is no frame {frame.ack} to acknowledge"))
        elif not isinstance(frame, Send) and (wait := self._frames.take(now())):
            await self.refuse(ErrorFrame("rate_limited", "too many frames", None, int(wait * 1000) + 1))
        elif self.participant is None:
            if isinstance(frame, Auth):
                if self._waiting is not None:
                    self._waiting.cancel()  # how long it takes to find out is not the client's fault
                await self._identify(frame.token, last_chance=True)
            else:
                message = "say who you are first, by a frame auth"
                await self.refuse(ErrorFrame("unauthenticated", message, getattr(frame, "client_id", None)))
        elif isinstance(frame, Auth):
            await self.refuse(ErrorFrame("conflict", "it is known already who you are"))
        else:
            await self.take(frame)
