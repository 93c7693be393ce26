"""The OPTIONS of the database backend: what is wrong is said when the backend is made, with the way out."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from phoenix_sessions.backends.database import DatabaseBackend


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alais": "own"}, "did you mean 'alias'"),
        ({"zzz": 1}, "the keys are alias, timeout, poll_interval, synchronous_commit"),
        ({"alias": "nobody"}, "must be one of default"),
        ({"timeout": 0}, "positive number of seconds"),
        ({"timeout": "3"}, "positive number of seconds"),
        ({"poll_interval": True}, "positive number of seconds"),
        ({"synchronous_commit": False}, "must be 'on' or 'off'"),
        ({"synchronous_commit": "off"}, "PRAGMA synchronous=NORMAL"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DatabaseBackend(options)


def test_without_its_app_the_backend_is_refused(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if "backends" not in app]
    with pytest.raises(ValueError, match=r"add 'phoenix_sessions\.backends\.database' to INSTALLED_APPS"):
        DatabaseBackend({})


def test_other_databases_are_refused(monkeypatch):
    monkeypatch.setitem(connections.settings, "other", {"ENGINE": "django.db.backends.dummy"})
    with pytest.raises(ValueError, match="sessions can be in 'sqlite' or 'postgresql'"):
        DatabaseBackend({"alias": "other"})


def test_a_database_that_nobody_else_sees_is_refused(monkeypatch, django_db_blocker):
    monkeypatch.setitem(connections.settings, "memory", {**connections.settings["default"], "NAME": ":memory:"})
    with django_db_blocker.unblock(), pytest.raises(ImproperlyConfigured, match="give it a file"):
        DatabaseBackend({"alias": "memory"}).count()
