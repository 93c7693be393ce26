"""Whether somebody who looks may go on: who is disabled may not."""

from __future__ import annotations

import asyncio

from channels.db import database_sync_to_async

from . import storage
from .errors import ChatError
from .followers import POLL
from .kinds import ParticipantStatus


async def must_be_active(participant: str) -> None:
    """Return when the database has said that somebody is not disabled.

    Raises:
        ChatError: ``disabled``; ``not_found`` if there is no such one.
    """
    show = database_sync_to_async(storage.show_participant, thread_sensitive=False)
    while True:
        try:
            status = (await show(participant)).status
        except ChatError as error:
            if error.code != "unavailable":
                raise
            await asyncio.sleep(POLL)
        else:
            if status != ParticipantStatus.ACTIVE:
                raise ChatError("disabled", "this participant is disabled")
            return
