"""Every check speaks up for its misconfiguration, and is silent on a site that is right."""

import pytest
import testsite.consumers  # noqa: F401 - the site uses the mixin, which is what E005 and E006 ask about
from django.core.checks import run_checks
from testsite.processes import Visit

from phoenix_sessions.checks import DJANGOS, OURS, check_all

COUNTER = "testsite.reducers.CounterReducer"


def found():
    """Return the ids of what the checks say, each without its package."""
    for message in (messages := check_all(None)):
        assert message.hint
    return [message.id.removeprefix("phoenix_sessions.") for message in messages]


def configure(settings, **values):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, **values}


REDIS = "phoenix_sessions.backends.redis.RedisBackend"


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch):
    for variable in ("WEB_CONCURRENCY", "UVICORN_WORKERS", "GUNICORN_CMD_ARGS"):
        monkeypatch.delenv(variable, raising=False)


def test_nothing_is_said_about_a_site_that_is_right():
    assert found() == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"MAX_SESSION": 5}, "MAX_SESSIONS"),
        ({"SESSION_PROCESS": "nowhere.at.all"}, "cannot be imported"),
        ({"RATE_LIMIT": "often"}, "RATE_LIMIT"),
        ({"SESSION_TTL": -1}, "SESSION_TTL"),
        ({"BACKEND": "nowhere.at.all"}, "BACKEND"),
        ({"BACKEND": REDIS, "OPTIONS": {"ulr": "redis://127.0.0.1"}}, "did you mean 'url'?"),
        (
            {"BACKEND": "phoenix_sessions.backends.database.DatabaseBackend", "OPTIONS": {"alias": "x"}},
            "'alias' is 'x'",
        ),
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


@pytest.mark.parametrize("variable", ["UVICORN_WORKERS", "GUNICORN_CMD_ARGS"])
def test_w008_as_servers_are_told(monkeypatch, variable):
    monkeypatch.setenv(variable, "--workers 4" if "ARGS" in variable else "4")

    assert found() == ["W008"]
    assert variable in check_all(None)[0].msg


def test_several_workers_are_fine_on_a_shared_backend(settings, monkeypatch):
    configure(settings, BACKEND=REDIS)
    monkeypatch.setenv("WEB_CONCURRENCY", "4")

    assert found() == []


def test_w009_a_durability_that_cannot_be_had(settings):
    configure(settings, DURABILITY="write_behind")

    assert found() == ["W009"]
    assert "the DURABILITY setting" in check_all(None)[0].msg


def test_w009_names_the_classes(settings, monkeypatch):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "testsite"]
    monkeypatch.setattr(Visit, "durability", "write_through", raising=False)

    assert found() == ["W009"]
    assert "testsite.processes.Visit" in check_all(None)[0].msg


def test_e010_a_process_that_other_workers_cannot_load(settings):
    configure(settings, BACKEND=REDIS, SESSION_PROCESS="samples.Room")

    assert found() == ["E010"]


def test_a_process_that_no_other_worker_wants_may_be_anywhere(settings):
    configure(settings, BACKEND=REDIS, DURABILITY="memory", SESSION_PROCESS="samples.Room")

    assert found() == []


@pytest.mark.django_db  # the checks of JSON fields ask the database whether it has JSON
def test_django_runs_them(settings):
    settings.MIDDLEWARE = [DJANGOS]

    assert "phoenix_sessions.W003" in [message.id for message in run_checks()]
