"""The settings: one dict, ``PHOENIX_SESSIONS_CHAT``, with its defaults in one place.

Rules:
    1. Read when first needed, kept, and read anew when Django's ``setting_changed`` says so.
    2. An unknown key or a value of the wrong kind is ImproperlyConfigured, with the nearest right key or the rule.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.db import connections

NAME: Final = "PHOENIX_SESSIONS_CHAT"

_KEY_BYTES: Final = 32
_PRIVATE: Final = "PRIVATE KEY-----"


class Config(msgspec.Struct, frozen=True, rename="upper", forbid_unknown_fields=True):
    """The settings, checked; each is a key of the dict in capitals.

    Attributes:
        database: The alias of DATABASES that the tables are in.
        max_content_bytes: How large a message's content may be as JSON (bytes).
        max_metadata_bytes: How large any metadata may be as JSON (bytes).
        max_members: How many may be in one conversation (count).
        page_size: How many things a page has by default (count).
        max_page_size: How many a page may have (count).
        sends_per_second: How many messages one participant may send in a second (count), None = any number.
        queue_messages: How many appends may wait in one worker (count).
        queue_bytes: How large they may be together (bytes).
        batch_messages: How many appends one transaction holds (count).
        batch_bytes: How large they may be together (bytes).
        append_patience: How long an append is tried while the database does not answer (seconds).
        lock_patience: How long an append waits for another transaction that holds its conversation, before others go
            first (seconds).
        jwt_key: What bearer tokens are checked with: the secret of HS256, the public key of RS256 in PEM; None = no
            token is taken.
        jwt_algorithms: With which of the two; one key is for one of them.
        jwt_audience: Whom a token must be for (its ``aud``), None = only tokens for nobody in particular are taken.
        participant_of_user: The dotted path of a function that is given a Django user and returns its participant's id,
            or None if it has none.
        allow_private_webhooks: Whether agents may be at loopback, link-local and private addresses.
        typing_seconds: How long somebody is typing after having said so (seconds).
        join_page: How many messages whoever joins is given (count).
        largest_gap: How many missed messages whoever comes back is given (count); of more, it is given the newest.
        agents: The dotted paths of functions that answer as agents in this process, by the agent's id.
        agent_debounce: How long messages for an agent are collected (seconds).
        agent_attempts: How often one delivery to an agent is tried (count).
        agent_pause: How long the pause after the first try is; each later one is twice as long (seconds).
        agent_longest_pause: How long a pause may be, also if the agent asks for a longer one (seconds).
        agent_rounds: How often two agents answer one another in a row (count).
        agent_request_bytes: How large the messages of one delivery may be together (bytes); one alone may be larger.
        agent_answer_bytes: How large an agent's answer may be (bytes).
        agent_concurrency: How many agents' answers one worker waits for (count); of one agent, a quarter of them.
        agent_queue: How many conversations may wait in one worker to be given to their agents (count).
        agent_lease: After how long another worker goes on when one has died over a delivery (seconds).
        agent_look: How often deliveries that a worker has left undone are looked for (seconds).
    """

    database: str = "default"
    max_content_bytes: int = 64 * 1024
    max_metadata_bytes: int = 16 * 1024
    max_members: int = 1000
    page_size: int = 50
    max_page_size: int = 200
    sends_per_second: float | None = 50.0
    queue_messages: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    batch_messages: int = 500
    batch_bytes: int = 4 * 1024 * 1024
    append_patience: float = 5.0
    lock_patience: float = 1.0
    jwt_key: str | None = None
    jwt_algorithms: tuple[Literal["HS256", "RS256"], ...] = ("HS256",)
    jwt_audience: str | None = None
    participant_of_user: str = "phoenix_sessions.contrib.chat.auth.participant_of_user"
    allow_private_webhooks: bool = False
    typing_seconds: float = 6.0
    join_page: int = 50
    largest_gap: int = 500
    agents: dict[str, str] = {}
    agent_debounce: float = 0.1
    agent_attempts: int = 5
    agent_pause: float = 0.5
    agent_longest_pause: float = 60.0
    agent_rounds: int = 50
    agent_request_bytes: int = 1024 * 1024
    agent_answer_bytes: int = 1024 * 1024
    agent_concurrency: int = 64
    agent_queue: int = 10_000
    agent_lease: float = 30.0
    agent_look: float = 30.0


@functools.cache
def get_config() -> Config:
    """Return the settings.

    Raises:
        ImproperlyConfigured: A key or a value is wrong.
    """
    given = getattr(settings, NAME, {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"{NAME} is {given!r}: it must be a dict")
    known = [field.encode_name for field in msgspec.structs.fields(Config)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key).upper(), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it must be one of {', '.join(known)}"
            raise ImproperlyConfigured(f"{NAME} has no key {key!r}: {hint}")
    try:
        config = msgspec.convert(dict(given), Config)
    except msgspec.ValidationError as error:
        raise ImproperlyConfigured(f"{NAME}: {error}") from error
    _check(config)
    return config


def _check(config: Config) -> None:
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
            raise ImproperlyConfigured(f"{NAME}[{name.upper()!r}] is {value!r}: it must be greater than 0")
    if config.page_size > config.max_page_size:
        raise ImproperlyConfigured(f"{NAME}: PAGE_SIZE must not be greater than MAX_PAGE_SIZE")
    if config.join_page > config.max_page_size:
        raise ImproperlyConfigured(f"{NAME}: JOIN_PAGE must not be greater than MAX_PAGE_SIZE")
    if config.database not in connections.settings:
        aliases = ", ".join(connections.settings)
        raise ImproperlyConfigured(f"{NAME}['DATABASE'] is {config.database!r}: it must be one of {aliases}")
    _check_key(config)


def _check_key(config: Config) -> None:
    if len(config.jwt_algorithms) != 1:
        raise ImproperlyConfigured(f"{NAME}['JWT_ALGORITHMS'] must be one of HS256 and RS256: a key is for one of them")
    if config.jwt_key is None:
        return
    if config.jwt_algorithms == ("HS256",):
        if len(config.jwt_key.encode()) < _KEY_BYTES or "-----BEGIN" in config.jwt_key:
            raise ImproperlyConfigured(
                f"{NAME}['JWT_KEY'] must be a secret of at least {_KEY_BYTES} bytes for HS256 (RFC 7518); "
                "with a public key set JWT_ALGORITHMS to ['RS256']"
            )
    elif "-----BEGIN" not in config.jwt_key or _PRIVATE in config.jwt_key:
        raise ImproperlyConfigured(f"{NAME}['JWT_KEY'] must be a public key in PEM for RS256")


def _changed(*, setting: str, **kwargs: Any) -> None:
    if setting == NAME:
        get_config.cache_clear()


setting_changed.connect(_changed)
