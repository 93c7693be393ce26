"""What is sent: strict in its types, and nothing that is not known.

Rules:
    1. A body is JSON in UTF-8, whatever the operation; otherwise it is ``malformed``.
    2. It is no larger than Django's DATA_UPLOAD_MAX_MEMORY_SIZE, also if nobody has said how large it is; content and
       metadata have limits of their own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from ninja.parser import Parser
from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return self.model_dump(exclude_unset=True)


def read_body(request: HttpRequest) -> None:
    """Read what a request sends, for whoever asks for its body.

    Raises:
        RequestDataTooBig: It is larger than the site takes. Django's own check believes what ``Content-Length`` says,
            and a body in chunks has none.
    """
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = request.read() if most is None else request.read(most + 1)
    if most is not None and len(body) > most:
        raise RequestDataTooBig(f"the body is larger than {most} bytes")
    request._body = body  # where Django's own property keeps it


class StrictParser(Parser):
    """Reads bodies."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return what a body says.

        Raises:
            msgspec.DecodeError: It is no JSON.
        """
        return msgspec.json.decode(request.body)
