"""What agents answer: a reply, or none.

Rules:
    1. A reply is a JSON object: ``{"content": {…}, "metadata": {…}}``, or in short ``{"content": "text"}`` or
       ``{"text": "text"}``. No body, ``{}``, and an empty content or text are no reply, and so is a body of a type that
       is not JSON.
    2. ``application/x-ndjson``: a JSON object in each line; ``text/event-stream``: one as each event's data, or plain
       text, until ``[DONE]``. The texts are parts of one; an object with ``content`` says the whole, in its place.
    3. What is no JSON where there must be some, and what is too large, is a bad answer: the agent had its delivery, and
       would answer the same again.
"""

from __future__ import annotations

import codecs
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from ..kinds import DeliveryStatus

EVENTS: Final = "text/event-stream"
END: Final = b"\n\n"
"""Ends the last line, and the last event, if the stream has not."""
LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})

Tell = Callable[[str], Awaitable[None]]
"""Tells those who listen the next part of an answer that is being written; raises ``Lost``."""


class Lost(Exception):
    """Another worker may deliver now."""


class BadAnswer(Exception):
    """The answer is not one that can be stored."""


class Reply(msgspec.Struct, frozen=True):
    """What an agent says.

    Attributes:
        content: A JSON object.
        metadata: The agent's own, a JSON object.
    """

    content: dict[str, Any]
    metadata: dict[str, Any] = {}


class Outcome(msgspec.Struct, frozen=True):
    """How a try ended.

    Attributes:
        status: In one word.
        reply: What the agent said, None = nothing.
        http_status: What the endpoint answered, None = it did not, or there is none.
        error: What went wrong, empty = nothing.
        again: Whether another try may end better.
        pause: How long the endpoint asks to be left alone (seconds), None = it does not.
    """

    status: DeliveryStatus
    reply: Reply | None = None
    http_status: int | None = None
    error: str = ""
    again: bool = False
    pause: float | None = None


def reply_of(value: Any) -> Reply | None:
    """Return what an answer says, None = nothing.

    Args:
        value: Decoded JSON; or a text, which stands for itself.

    Raises:
        BadAnswer: It is nothing of that kind.
    """
    if isinstance(value, Reply) or value is None:
        return value
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict):
        raise BadAnswer("the answer is no JSON object")
    content = value["content"] if value.get("content") is not None else value.get("text")
    if isinstance(content, str) or content is None:
        content = {"text": content} if content else {}
    metadata = value.get("metadata") or {}
    if not isinstance(content, dict) or not isinstance(metadata, dict):
        raise BadAnswer("the answer's content must be an object or a text, and its metadata an object")
    return Reply(content, metadata) if content not in ({}, {"text": ""}) else None


def decode(body: bytes) -> Any:
    """Return what a body of JSON says; an empty one says None.

    Raises:
        BadAnswer: It is no JSON.
    """
    try:
        return msgspec.json.decode(body) if body.strip() else None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadAnswer(f"the answer is no JSON: {error}") from error


class Parts:
    """An answer that comes in parts.

    Args:
        events: Whether they are a stream of events, otherwise they are lines.
    """

    def __init__(self, *, events: bool) -> None:
        self._events = events
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line: list[str] = []
        self._data: list[str] = []
        self._texts: list[str] = []
        self._whole: dict[str, Any] | None = None
        self.done = False

    def feed(self, body: bytes) -> str:
        """Take some bytes, and return the text that they add.

        Raises:
            BadAnswer: They make no sense.
        """
        before = len(self._texts)
        self._split(self._decoder.decode(body))
        return "".join(self._texts[before:])

    def reply(self) -> Reply | None:
        """Return what was said.

        Raises:
            BadAnswer: The whole makes no sense.
        """
        return reply_of("".join(self._texts) if self._whole is None else self._whole)

    def _split(self, text: str) -> None:
        """Take the lines that are complete; a long line that comes in bits is looked at once."""
        first, *rest = text.split("\n")
        self._line.append(first)
        for start in rest:
            line = "".join(self._line).removesuffix("\r")
            self._line = [start]
            if not self.done:
                self._take(line)

    def _take(self, line: str) -> None:
        if not self._events:
            if line.strip():
                self._part(line)
        elif line.startswith("data:"):
            self._data.append(line[5:].removeprefix(" "))
        elif not line and self._data:
            data, self._data = "\n".join(self._data), []
            self._part(data)

    def _part(self, data: str) -> None:
        if self._events and data.strip() == "[DONE]":
            self.done = True
        elif not self._events or data.startswith("{"):
            self._object(decode(data.encode()))
        else:
            self._texts.append(data)

    def _object(self, part: Any) -> None:
        if not isinstance(part, dict):
            raise BadAnswer("a part of the answer is no JSON object")
        if "content" in part:
            self._whole = part
        elif isinstance(text := part.get("text", ""), str):
            self._texts.append(text)
        else:
            raise BadAnswer("a part's text must be a text")
