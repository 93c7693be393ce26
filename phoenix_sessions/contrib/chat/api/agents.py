"""Where agents are.

Rules:
    1. The secret is never in an answer, nor are the headers' values, which may hold one.
    2. Where nothing may be sent to, no agent is registered: ``agents.targets`` says where that is.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel, Field

from ..agents import check_url
from ..endpoints import DeliveryPage, Endpoint
from ..gateway import gateway
from ..kinds import AgentAuth, ParticipantStatus
from .answers import answer
from .bodies import Body
from .callers import administrators
from .documents import BODY, POSTED, says

router = Router(tags=["agents"], auth=administrators)

_Auth = Annotated[AgentAuth, Field(strict=False)]


class NewAgent(Body):
    """An agent that is to be registered.

    Attributes:
        agent: A participant of kind agent.
        url: Where its messages are posted.
        auth: How it knows that it is us.
        secret: The bearer token, or the key of signatures.
        headers: What is sent along, by name.
        timeout: How long an answer may take (seconds).
    """

    agent: str
    url: str
    auth: _Auth = AgentAuth.NONE
    secret: str = ""
    headers: dict[str, str] = {}
    timeout: float = 30.0


class AgentChanges(Body):
    """What an agent's endpoint is to be from now on; what is left out stays."""

    url: str = ""
    auth: _Auth = AgentAuth.NONE
    secret: str = ""
    headers: dict[str, str] = {}
    timeout: float = 30.0


class Agent(BaseModel):
    """An agent's endpoint, without what is secret.

    Attributes:
        headers: The names of the headers that are sent along.
        has_secret: Whether there is a secret.
    """

    agent: str
    url: str
    auth: AgentAuth
    headers: list[str]
    timeout: float
    status: ParticipantStatus
    has_secret: bool


@router.post("", **says({201: Agent}, 404, 409, *BODY))
async def register_agent(request: HttpRequest, body: NewAgent) -> HttpResponse:
    """Say where an agent is."""
    check_url(body.url)
    return answer(_shown(await gateway.aregister_agent(**body.model_dump())), 201)


@router.get("/{agent}", **says({200: Agent}, 404))
async def show_agent(request: HttpRequest, agent: str) -> HttpResponse:
    """Return where an agent is."""
    return answer(_shown(await gateway.aagent_endpoint(agent)))


@router.patch("/{agent}", **says({200: Agent}, 404, *BODY))
async def update_agent(request: HttpRequest, agent: str, body: AgentChanges) -> HttpResponse:
    """Change what is sent."""
    changes = body.given()
    if "url" in changes:
        check_url(changes["url"])
    return answer(_shown(await gateway.aupdate_agent(agent, **changes)))


@router.post("/{agent}/enable", **says({200: Agent}, 404, *POSTED))
async def enable_agent(request: HttpRequest, agent: str) -> HttpResponse:
    """Send an agent what others say, from now on."""
    return answer(_shown(await gateway.aset_agent_status(agent, ParticipantStatus.ACTIVE)))


@router.post("/{agent}/disable", **says({200: Agent}, 404, *POSTED))
async def disable_agent(request: HttpRequest, agent: str) -> HttpResponse:
    """Send an agent nothing, from now on."""
    return answer(_shown(await gateway.aset_agent_status(agent, ParticipantStatus.DISABLED)))


@router.get("/{agent}/deliveries", **says({200: DeliveryPage}, 404))
async def list_deliveries(
    request: HttpRequest, agent: str, cursor: str | None = None, limit: int | None = None
) -> HttpResponse:
    """Return a page of the tries to send an agent its messages, the last first."""
    return answer(await gateway.alist_deliveries(agent, cursor=cursor, limit=limit))


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "agent": endpoint.agent,
        "url": endpoint.url,
        "auth": endpoint.auth,
        "headers": sorted(endpoint.headers),
        "timeout": endpoint.timeout,
        "status": endpoint.status,
        "has_secret": bool(endpoint.secret),
    }
