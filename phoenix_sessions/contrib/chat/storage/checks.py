"""What may be stored: the checks that need no database.

Rules:
    1. What is refused is ``invalid`` or ``too_large``, and says which field it is.
    2. A JSON object goes in as what JSON makes of it, so that it is the same live and in history.
    3. It is no deeper than 100 levels: what databases, servers and clients can take apart differs beyond that.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from ..conf import get_config
from ..errors import ChatError, invalid, unauthorized
from ..kinds import MessageKind
from ..types import Draft

_PARTICIPANT: Final = re.compile(r"[A-Za-z0-9_.:@+=|~-]{1,128}")
TEXT_LENGTH: Final = 255
_CLIENT_ID_LENGTH: Final = 128
_NUL: Final = b"\\u0000"
_DEEPEST: Final = 100

Word = TypeVar("Word", bound=enum.StrEnum)


class Json(msgspec.Struct, frozen=True):
    """A JSON object.

    Attributes:
        value: As Python has it.
        text: As the database gets it, in UTF-8.
    """

    value: dict[str, Any]
    text: bytes


class Prepared(msgspec.Struct, frozen=True):
    """A draft that may be stored, as far as can be told without the database.

    Attributes:
        draft: The draft.
        content: Its content.
        metadata: Its metadata.
    """

    draft: Draft
    content: Json
    metadata: Json

    @property
    def size(self) -> int:
        """Return how large it is (bytes)."""
        return len(self.content.text) + len(self.metadata.text)


def prepare(draft: Draft) -> Prepared:
    """Return a draft with its JSON.

    Raises:
        ChatError: ``invalid``, ``too_large``, or ``unauthorized`` for what cannot be an id.
    """
    config = get_config()
    for id in (draft.conversation, draft.sender):
        if not isinstance(id, str) or not id.isascii() or not id.isprintable():  # there is no such one
            raise unauthorized()
    if draft.client_id is not None:
        text("client_id", draft.client_id, _CLIENT_ID_LENGTH)
        if not draft.client_id:  # whoever sends no id of its own would lose what it sends
            raise invalid(client_id="must not be empty: leave it out")
    word("kind", MessageKind, draft.kind)
    return Prepared(
        draft=draft,
        content=json_object("content", draft.content, config.max_content_bytes),
        metadata=metadata(draft.metadata),
    )


def metadata(value: Any) -> Json:
    """Return metadata, None = empty.

    Raises:
        ChatError: ``invalid`` or ``too_large``.
    """
    return json_object("metadata", {} if value is None else value, get_config().max_metadata_bytes)


def json_object(field: str, value: Any, most: int) -> Json:
    """Return a JSON object of at most so many bytes.

    Raises:
        ChatError: ``invalid`` or ``too_large``.
    """
    if not isinstance(value, Mapping):
        raise invalid(**{field: "must be a JSON object"})
    try:
        encoded = msgspec.json.encode(value)
        if len(encoded) > most:
            rule = f"is {len(encoded)} bytes of JSON, and may be {most}"
            raise ChatError("too_large", f"{field} {rule}", {field: rule})
        decoded = msgspec.json.decode(encoded)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise invalid(**{field: f"must be a JSON object ({type(error).__name__})"}) from error
    if encoded.count(b"[") + encoded.count(b"{") > _DEEPEST and _is_deep(decoded):
        raise invalid(**{field: f"must not be deeper than {_DEEPEST} levels"})
    if _NUL in encoded and any("\0" in each for each in _texts(decoded)):
        raise invalid(**{field: "must not contain the character U+0000"})
    return Json(decoded, encoded)


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [below for each in level for below in _parts(each) if isinstance(below, dict | list)]
    return bool(level)


def _texts(value: Any) -> Iterator[str]:
    """Return all texts and keys in a value that is not deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
    for each in _parts(value):
        yield from _texts(each)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def text(field: str, value: Any, most: int = TEXT_LENGTH) -> str:
    """Return a text of at most so many characters.

    Raises:
        ChatError: ``invalid``.
    """
    if not isinstance(value, str) or len(value) > most or "\0" in value or not _is_unicode(value):
        raise invalid(**{field: f"must be a text of at most {most} characters, without U+0000"})
    return value


def _is_unicode(value: str) -> bool:
    return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)


def participant_id(value: Any, field: str = "id") -> str:
    """Return the id of a participant.

    Raises:
        ChatError: ``invalid``.
    """
    if not isinstance(value, str) or not _PARTICIPANT.fullmatch(value):
        raise invalid(**{field: "must be 1 to 128 of A-Z a-z 0-9 _ . : @ + = | ~ -"})
    return value


def word(field: str, kind: type[Word], value: Any) -> Word:
    """Return one of an enum's words.

    Raises:
        ChatError: ``invalid``.
    """
    try:
        return kind(value)
    except ValueError:
        raise invalid(**{field: f"must be one of {', '.join(kind)}"}) from None


def limit(value: int | None) -> int:
    """Return how many things a page is to have; None = as the settings say.

    Raises:
        ChatError: ``invalid``.
    """
    config = get_config()
    if value is None:
        return config.page_size
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= config.max_page_size:
        raise invalid(limit=f"must be 1 to {config.max_page_size}")
    return value
