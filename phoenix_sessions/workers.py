"""How many worker processes serve the site, as far as it is known beforehand.

Rules:
    1. The command line of a server is read in that server's processes only: ``--workers`` of anything else means
       something else. Environment variables are read everywhere, as ``manage.py check`` runs in no server.
    2. The command line decides before the server's own variables, and those before WEB_CONCURRENCY.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Final, NamedTuple

SERVERS: Final = ("gunicorn", "uvicorn", "hypercorn", "granian")

_OPTION: Final = re.compile(r"(?:--workers=|-w=?)(\d+)")


class Workers(NamedTuple):
    """How many are asked for.

    Attributes:
        number: So many (count).
        source: What asks for them.
    """

    number: int
    source: str


def asked(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> Workers | None:
    """Return how many workers are asked for, or None if nothing that can be seen says so.

    Args:
        argv: The command line; None = that of this process.
        environ: The environment; None = that of this process.
    """
    argv = sys.argv if argv is None else argv
    environ = os.environ if environ is None else environ
    return next(_found(argv, environ), None)


def server(argv: Sequence[str] | None = None) -> str | None:
    """Return the name of the server that this process is of, if it is one that may have several."""
    argv = sys.argv if argv is None else argv
    path = PurePath(argv[0] if argv else "")
    name = path.parent.name if path.name == "__main__.py" else path.stem
    return name if name in SERVERS else None


def _found(argv: Sequence[str], environ: Mapping[str, str]) -> Iterator[Workers]:
    name = server(argv)
    if name is not None and (count := _option(argv[1:])) is not None:
        yield Workers(count, f"the command line of {name}")
    if name in (None, "gunicorn") and (count := _option(_split(environ.get("GUNICORN_CMD_ARGS", "")))) is not None:
        yield Workers(count, "GUNICORN_CMD_ARGS")
    for variable in ("UVICORN_WORKERS", "WEB_CONCURRENCY"):
        if (text := environ.get(variable, "")).isdecimal():
            yield Workers(int(text), variable)


def _option(arguments: Sequence[str]) -> int | None:
    """Return the last value of ``-w`` or ``--workers``, as servers do."""
    count = None
    for option, following in zip(arguments, [*arguments, ""][1:], strict=True):
        if option in ("-w", "--workers") and following.isdecimal():
            count = int(following)
        elif match := _OPTION.fullmatch(option):
            count = int(match[1])
    return count


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote is open
        return []
