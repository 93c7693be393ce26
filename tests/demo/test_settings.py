"""The demo's settings come from the environment."""

from __future__ import annotations

import runpy
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from demo.server import PROJECT, manage
from phoenix_sessions.conf import DEFAULTS


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load the settings with these environment variables."""

    def load(**environment: str) -> dict[str, Any]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(PROJECT / "config/settings.py"))

    return load


def test_every_key_of_phoenix_sessions_has_a_variable() -> None:
    source = (PROJECT / "config/settings.py").read_text()
    example = (PROJECT / ".env.example").read_text()
    assert [key for key in DEFAULTS if f"PHOENIX_SESSIONS_{key}" not in source] == []
    assert [key for key in DEFAULTS if f"PHOENIX_SESSIONS_{key}=" not in example] == []


def test_keys_are_read_from_the_environment(load: Any) -> None:
    settings = load(
        PHOENIX_SESSIONS_SESSION_TTL="none",
        PHOENIX_SESSIONS_MAX_SESSIONS="7",
        PHOENIX_SESSIONS_RATE_LIMIT="none",
        PHOENIX_SESSIONS_AUTO_START="off",
        PHOENIX_SESSIONS_REDUCERS="shop.reducers.CartReducer,shop.reducers.CounterReducer",
    )
    assert {key: settings["PHOENIX_SESSIONS"][key] for key in ("SESSION_TTL", "MAX_SESSIONS", "RATE_LIMIT")} == {
        "SESSION_TTL": None,
        "MAX_SESSIONS": 7,
        "RATE_LIMIT": None,
    }
    assert settings["PHOENIX_SESSIONS"]["AUTO_START"] is False
    assert len(settings["PHOENIX_SESSIONS"]["REDUCERS"]) == 2


def test_a_backend_has_a_short_name(load: Any) -> None:
    settings = load(PHOENIX_SESSIONS_BACKEND="redis", PHOENIX_SESSIONS_OPTIONS='{"url": "redis://127.0.0.1:6390/0"}')
    assert settings["PHOENIX_SESSIONS"]["BACKEND"] == "phoenix_sessions.backends.redis.RedisBackend"
    assert settings["PHOENIX_SESSIONS"]["OPTIONS"] == {"url": "redis://127.0.0.1:6390/0"}
    assert settings["PHOENIX_SESSIONS"]["DURABILITY"] is None


def test_another_backend_has_its_path(load: Any) -> None:
    assert load(PHOENIX_SESSIONS_BACKEND="my.Own")["PHOENIX_SESSIONS"]["BACKEND"] == "my.Own"


@pytest.mark.parametrize("backend", ["redis", "database"])
def test_checks_find_nothing_on_a_shared_backend(backend: str) -> None:
    checked = manage("check", "--fail-level", "INFO", PHOENIX_SESSIONS_BACKEND=backend)
    assert checked.returncode == 0, checked.stderr


def test_the_public_key_is_refused_when_debug_is_off(load: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY must be set"):
        load(DEBUG="off")


def test_with_a_key_of_its_own_it_runs_with_debug_off(load: Any) -> None:
    settings = load(DEBUG="off", SECRET_KEY="x" * 60)
    assert settings["DEBUG"] is False
    assert settings["SESSION_COOKIE_SECURE"] is True


def test_checks_find_nothing_and_no_migration_is_missing() -> None:
    checked = manage("check", "--fail-level", "INFO")
    migrations = manage("makemigrations", "--check", "--dry-run")
    assert (checked.returncode, migrations.returncode) == (0, 0), checked.stderr + migrations.stderr
