"""The agent: a function of this site, that says again what it was told, word by word."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

from phoenix_sessions.contrib.chat.agents import Turn, agent

PARTS: Final = 40
PAUSE: Final = 0.08
"""How long it thinks before each part (seconds)."""


@agent("agent:echo")
async def echo(turn: Turn) -> AsyncIterator[str]:
    """Each part that is yielded is on the reader's screen at once; all of them are stored as one message."""
    for part in parts(f"You said: {turn.text}"):
        await asyncio.sleep(PAUSE)
        yield part


def parts(text: str) -> list[str]:
    """Return the text in parts of whole words, no more than 40."""
    words = re.findall(r"\s*\S+\s*?", text)
    size = -(-len(words) // PARTS)
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]
