"""One worker of the site: a real daphne."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .child import Child


class Worker(Child):
    """A daphne that serves ``faults.site``.

    Args:
        name: For its log.
        folder: Where its log goes.
        environment: What the site reads; see ``engines``.
    """

    def __init__(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(folder / f"{name}.log", environment)
        self.name = name

    def command(self) -> list[str]:
        options = ["-v", "0", "-b", "127.0.0.1", "-p", str(self.port.number)]
        return [sys.executable, "-m", "daphne", *options, "faults.site.asgi:application"]

    def ask(self, path: str, body: Any = None, timeout: float = 30) -> Any:
        """Return what this worker, and no other, answers, as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port.number, timeout=timeout)
        try:
            connection.request("POST", path, json.dumps(body))
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200, f"{self.name} answers {response.status}: {text[:500]}\n{self.tail()}"
            return json.loads(text)
        finally:
            connection.close()
