"""What the OpenAPI document says of answers: it is made of the types that they are.

Rules:
    1. Each operation says every status that it may answer, refusals too.
    2. Nothing is written twice: a struct's model has the struct's fields.
"""

from __future__ import annotations

import functools
import operator
import types
import typing
from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel, create_model

from ..errors import Code

_SECONDS: Final = {"description": "When to come again (seconds).", "schema": {"type": "integer", "minimum": 1}}
_SCHEME: Final = {"description": "Bearer, and whether a token was refused.", "schema": {"type": "string"}}
_HEADERS: Final = {401: {"WWW-Authenticate": _SCHEME}, 429: {"Retry-After": _SECONDS}, 503: {"Retry-After": _SECONDS}}

_ALWAYS: Final = (401, 403, 422, 503)
POSTED: Final = (413, 415)
"""What else is answered by operations that are sent something."""
BODY: Final = (400, *POSTED)
"""What else is answered by operations that read what they are sent."""


class Refusal(BaseModel):
    """Why something was not done."""

    error: Code | Literal["malformed", "unauthenticated", "unsupported_type", "method_not_allowed"]
    message: str
    fields: dict[str, str]


def says(success: dict[int, Any], *refusals: int) -> dict[str, Any]:
    """Return what an operation answers, as arguments of django-ninja's decorators.

    Args:
        success: Structs and models by status, None = no content.
        refusals: The statuses beside those of every operation.
    """
    statuses = sorted({*_ALWAYS, *refusals})
    responses = {status: model_of(kind) for status, kind in success.items()} | dict.fromkeys(statuses, Refusal)
    headers = {status: {"headers": _HEADERS[status]} for status in statuses if status in _HEADERS}
    return {"response": responses, "openapi_extra": {"responses": headers}}


def model_of(hint: Any) -> Any:
    """Return a type with models in the places of its structs."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _model(hint)
    if not (parts := typing.get_args(hint)):
        return hint
    models = tuple(map(model_of, parts))
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return functools.reduce(operator.or_, models)
    return typing.get_origin(hint)[models]


@functools.cache
def _model(struct: type[msgspec.Struct]) -> type[BaseModel]:
    doc = (struct.__doc__ or "").partition("\n")[0]
    fields: Any = {name: (model_of(hint), ...) for name, hint in typing.get_type_hints(struct).items()}
    return create_model(struct.__name__, __doc__=doc, **fields)
