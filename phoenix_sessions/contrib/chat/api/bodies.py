"""What is sent: strict in its types, and nothing that is not known.

Rules:
    1. A body is JSON in UTF-8, whatever the operation; otherwise it is ``malformed``.
    2. It is no larger than Django's DATA_UPLOAD_MAX_MEMORY_SIZE; content and metadata have limits of their own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.http import HttpRequest
from ninja.parser import Parser
from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return self.model_dump(exclude_unset=True)


class StrictParser(Parser):
    """Reads bodies."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return what a body says.

        Raises:
            msgspec.DecodeError: It is no JSON.
        """
        return msgspec.json.decode(request.body)
