"""The OPTIONS of the database backend, checked.

Rules:
    1. An unknown key or a value of the wrong kind is a ValueError, with the nearest right key or the rule.
    2. What cannot work is told when the backend is made, as far as that can be known without asking the database.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from django.apps import apps
from django.db import connections
from django.db.utils import load_backend

from ...runtime.clock import Clock
from ..base import TIMEOUT
from .engines import Engine
from .sqlite import SQLite

APP: Final = "phoenix_sessions.backends.database"
_POLL_INTERVAL: Final = 0.5


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a site says about its database.

    Attributes:
        alias: Which of DATABASES holds the sessions.
        timeout: The longest that a verb takes (seconds).
        poll_interval: How often watched sessions are looked at, where the database sends no notices (seconds).
        synchronous_commit: "on" = as the server is configured; "off" = a commit is answered before it is on the disk,
            so that a crash of the server may lose the last ones (PostgreSQL only).
    """

    alias: str = "default"
    timeout: float = TIMEOUT
    poll_interval: float = _POLL_INTERVAL
    synchronous_commit: str = "on"


def read(given: Mapping[str, Any]) -> Options:
    """Return the options.

    Raises:
        ValueError: One is unknown, or cannot be.
    """
    for key in given:
        if key not in Options.__struct_fields__:
            near = difflib.get_close_matches(str(key), Options.__struct_fields__, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(Options.__struct_fields__)}"
            raise ValueError(f"the database backend has no option {key!r}: {hint}")
    options = Options(**given)
    for key in ("timeout", "poll_interval"):
        value = getattr(options, key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"the option {key!r} is {value!r}: it must be a positive number of seconds")
    if options.alias not in connections.settings:
        aliases = ", ".join(connections.settings)
        raise ValueError(f"the option 'alias' is {options.alias!r}: it must be one of {aliases}, as DATABASES says")
    if options.synchronous_commit not in ("on", "off"):
        raise ValueError(f"the option 'synchronous_commit' is {options.synchronous_commit!r}: it must be 'on' or 'off'")
    if not apps.is_installed(APP):
        raise ValueError(f"the database backend has no tables: add {APP!r} to INSTALLED_APPS, and run migrate")
    return options


def engine(options: Options, clock: Clock | None) -> Engine:
    """Return what is behind the alias.

    Raises:
        ValueError: It is neither SQLite nor PostgreSQL, or it has no such option.
    """
    vendor = load_backend(connections.settings[options.alias]["ENGINE"]).DatabaseWrapper.vendor
    asynchronous = options.synchronous_commit == "off"
    if vendor == "postgresql":
        from .postgresql import PostgreSQL  # psycopg is there only where PostgreSQL is

        return PostgreSQL(options.timeout, clock, synchronous_commit=not asynchronous)
    if vendor != "sqlite":
        raise ValueError(f"the database {options.alias!r} is {vendor!r}: sessions can be in 'sqlite' or 'postgresql'")
    if asynchronous:
        raise ValueError(
            "the option 'synchronous_commit' is for PostgreSQL; for SQLite, add PRAGMA synchronous=NORMAL to the "
            "init_command of the database's OPTIONS"
        )
    return SQLite(options.timeout, clock)
