"""The chat over HTTP, on a site with ATOMIC_REQUESTS."""

import pytest
from django.db import connections
from django.test import AsyncClient


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls("phoenix_sessions.contrib.chat.urls")
@pytest.mark.parametrize(
    ("path", "status"),
    [("health/live", 200), ("inbox", 401), ("metrics", 401), ("docs", 200), ("nothing", 404)],
)
async def test_no_view_is_in_a_transaction(monkeypatch, settings, sqlite, path, status):
    settings.PHOENIX_SESSIONS_CHAT = {"DATABASE": sqlite}  # a file: the agents' thread could not close one in memory
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    assert (await AsyncClient().get(f"/{path}")).status_code == status
