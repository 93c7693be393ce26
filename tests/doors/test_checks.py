"""Every check speaks up for its misconfiguration, and is silent on a site that is right."""

import pytest
import testsite.consumers  # noqa: F401 - the site uses the mixin, which is what E005 and E006 ask about
from django.core.checks import run_checks

from phoenix_sessions.checks import DJANGOS, OURS, check_all

COUNTER = "testsite.reducers.CounterReducer"


def found():
    """Return the ids of what the checks say, each without its package."""
    for message in (messages := check_all(None)):
        assert message.hint
    return [message.id.removeprefix("phoenix_sessions.") for message in messages]


def configure(settings, **values):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, **values}


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)


def test_nothing_is_said_about_a_site_that_is_right():
    assert found() == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"MAX_SESSION": 5}, "MAX_SESSIONS"),
        ({"SESSION_PROCESS": "nowhere.at.all"}, "cannot be imported"),
        ({"RATE_LIMIT": "often"}, "RATE_LIMIT"),
        ({"SESSION_TTL": -1}, "SESSION_TTL"),
    ],
)
def test_e001_settings_that_are_wrong(settings, values, says):
    configure(settings, **values)

    assert found() == ["E001"]
    assert says in check_all(None)[0].msg


def test_e002_a_process_that_cannot_be_used(settings):
    configure(settings, REDUCERS=[COUNTER, COUNTER])

    assert found() == ["E002"]


def test_w003_no_middleware(settings):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if path != OURS]

    assert found() == ["W003"]


@pytest.mark.parametrize("middleware", [[OURS, DJANGOS], [OURS]], ids=["before", "without"])
def test_e004_the_middleware_before_or_without_djangos(settings, middleware):
    settings.MIDDLEWARE = middleware

    assert found() == ["E004"]


def test_e005_a_consumer_without_an_asgi_application(settings):
    settings.ASGI_APPLICATION = None

    assert found() == ["E005"]


def test_e006_an_asgi_application_without_websockets(settings):
    settings.ASGI_APPLICATION = "django.core.asgi.get_asgi_application"

    assert found() == ["E006"]


@pytest.mark.parametrize(("version", "ids"), [("4.1.2", ["W007"]), ("4.2.1", ["W007"]), ("4.2.2", []), ("5.0rc1", [])])
def test_w007_an_old_daphne(tmp_path, monkeypatch, version, ids):
    facts = tmp_path / f"daphne-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: daphne\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert found() == ids


@pytest.mark.parametrize(("workers", "ids"), [("4", ["W008"]), ("1", []), ("", []), ("auto", [])])
def test_w008_several_workers(monkeypatch, workers, ids):
    monkeypatch.setenv("WEB_CONCURRENCY", workers)

    assert found() == ids


def test_django_runs_them(settings):
    settings.MIDDLEWARE = [DJANGOS]

    assert "phoenix_sessions.W003" in [message.id for message in run_checks()]
