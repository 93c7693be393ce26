"""Where agents are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ..conf import get_config
from ..endpoints import Endpoint
from ..errors import ChatError, invalid, not_found
from ..kinds import AgentAuth, ParticipantKind, ParticipantStatus
from ..models import AgentEndpoint, ParticipantRow
from . import checks
from .connection import Database, reading, transaction

_URL_LENGTH: Final = 2000
_SECRET_LENGTH: Final = 1000
_LONGEST: Final = 600.0
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_TOKEN: Final = re.compile(r"[!-~]+")
_HEADER_TEXT: Final = re.compile(r"([!-~]([ -~\t]*[!-~])?)?")


def register_agent(
    agent: str,
    url: str,
    *,
    auth: str = "none",
    secret: str = "",
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Endpoint:
    """Say where an agent is.

    Args:
        agent: A participant of kind ``agent``.
        url: Where its messages are posted; whether that is a good target, others decide.
        auth: How it knows that it is us.
        secret: The bearer token, or the key of signatures.
        headers: What is sent along, by name.
        timeout: How long an answer may take (seconds).

    Raises:
        ChatError: ``not_found``, ``conflict`` if it is registered already, ``invalid``, ``unavailable``.
    """
    values = _checked(url=url, auth=auth, secret=secret, headers=headers or {}, timeout=timeout)
    with transaction() as database:
        participant = ParticipantRow.objects.using(database.alias).select_for_update(no_key=True).filter(id=agent)
        row = participant.first()
        if row is None:
            raise not_found("participant", agent)
        if row.kind != ParticipantKind.AGENT:
            raise invalid(agent="must be a participant of kind agent")
        endpoints = AgentEndpoint.objects.using(database.alias)
        if endpoints.filter(agent=agent).exists():
            raise ChatError("conflict", f"the agent {agent!r} is registered already: update it")
        return _endpoint(_complete(endpoints.model(agent_id=agent, **values)), database, insert=True)


def update_agent(agent: str, **changes: Any) -> Endpoint:
    """Change what is given: ``url``, ``auth``, ``secret``, ``headers``, ``timeout``.

    Raises:
        ChatError: ``not_found``, ``invalid``, ``unavailable``.
    """
    values = _checked(**changes)
    with transaction() as database:
        row = _find(database, agent)
        for name, value in values.items():
            setattr(row, name, value)
        return _endpoint(_complete(row), database)


def set_agent_status(agent: str, status: str) -> Endpoint:
    """Enable or disable an agent's endpoint: nothing is sent to one that is disabled.

    Raises:
        ChatError: ``not_found``, ``invalid``, ``unavailable``.
    """
    wanted = checks.word("status", ParticipantStatus, status)
    with transaction() as database:
        row = _find(database, agent)
        row.status = wanted.value
        return _endpoint(row, database)


def agent_endpoint(agent: str) -> Endpoint:
    """Return where an agent is, with its secret: not for whoever asks from outside.

    Raises:
        ChatError: ``not_found``, ``unavailable``.
    """
    with reading() as database:
        return _as_endpoint(_find(database, agent))


def _checked(**values: Any) -> dict[str, Any]:
    for name, value in values.items():
        match name:
            case "url":
                if not checks.text("url", value, _URL_LENGTH).startswith(("http://", "https://")):
                    raise invalid(url="must begin with http:// or https://")
            case "auth":
                values["auth"] = checks.word("auth", AgentAuth, value).value
            case "secret":
                checks.text("secret", value, _SECRET_LENGTH)
            case "headers":
                values["headers"] = _headers(value)
            case "timeout":
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST:
                    raise invalid(timeout=f"must be more than 0 and at most {_LONGEST:.0f} seconds")
            case _:
                raise invalid(**{name: "is no part of an agent's endpoint"})
    return values


def _headers(value: Any) -> dict[str, Any]:
    headers = checks.json_object("headers", value, get_config().max_metadata_bytes).value
    for name, text in headers.items():
        if not isinstance(text, str) or not _HEADER.fullmatch(name) or not _HEADER_TEXT.fullmatch(text):
            raise invalid(headers="must be texts of printable ASCII, no space around them, by names as HTTP has them")
    return headers


def _complete(row: AgentEndpoint) -> AgentEndpoint:
    if row.auth != AgentAuth.NONE and not row.secret:
        raise invalid(secret=f"must be given for {row.auth}")
    if row.auth == AgentAuth.BEARER and not _TOKEN.fullmatch(row.secret):
        raise invalid(secret=f"must be of printable ASCII, without spaces, for {row.auth}")
    return row


def _find(database: Database, agent: str) -> AgentEndpoint:
    if not isinstance(agent, str) or "\0" in agent:
        raise invalid(agent="must be a text")
    row: AgentEndpoint | None = AgentEndpoint.objects.using(database.alias).filter(agent=agent).first()
    if row is None:
        raise not_found("agent", agent)
    return row


def _endpoint(row: AgentEndpoint, database: Database, *, insert: bool = False) -> Endpoint:
    row.save(using=database.alias, force_insert=insert)
    return _as_endpoint(row)


def _as_endpoint(row: AgentEndpoint) -> Endpoint:
    return Endpoint(
        agent=row.agent_id,
        url=row.url,
        auth=AgentAuth(row.auth),
        headers=row.headers,
        timeout=row.timeout,
        status=ParticipantStatus(row.status),
        secret=row.secret,
    )
