"""What the tests of the doors share: a database for real servers, servers, and visitors."""

import contextlib
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from doors.servers import Guest, Server, environment, read


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """The file of a database with the users ann and bob; their password is "secret"."""
    path = tmp_path_factory.mktemp("served") / "db.sqlite3"
    env = environment(path, path.parent)
    subprocess.run([sys.executable, "-m", "testsite.prepare"], env=env, check=True, timeout=60)
    return path


@contextlib.contextmanager
def short_directory():
    path = Path(tempfile.mkdtemp(prefix="ps"))
    yield path
    shutil.rmtree(path)


@contextlib.contextmanager
def starting(database, runtime, logs):
    servers = []

    def start(kind):
        server = Server(kind, environment(database, runtime), logs / f"{len(servers)}.log")
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def runtime():
    """A runtime directory; its path is short, as those of Unix sockets must be."""
    with short_directory() as path:
        yield path


@pytest.fixture
def serve(database, runtime, tmp_path):
    """A function that starts a server of a kind ("daphne" or "wsgi")."""
    with starting(database, runtime, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_server(database, tmp_path_factory):
    """A function that gives a server of a kind, one for all tests of the module."""
    with short_directory() as runtime, starting(database, runtime, tmp_path_factory.mktemp("logs")) as start:
        yield functools.cache(start)


class InProcess:
    """A visitor without a server: Django's test clients."""

    def __init__(self, client, get):
        self._client = client
        self._get = get

    @property
    def cookies(self):
        return {name: morsel.value for name, morsel in self._client.cookies.items()}

    def get(self, path):
        response = self._get(f"/{path}")
        return response.status_code, read(response.content.decode())


@pytest.fixture
def users(db):
    for name in ("ann", "bob"):
        User.objects.create_user(name, password="secret")


@pytest.fixture
def sync_visitor(users):
    """A visitor of the sync stack."""
    client = Client()
    return InProcess(client, client.get)


@pytest.fixture
def async_visitor(users):
    """A visitor of the async stack."""
    client = AsyncClient()
    return InProcess(client, async_to_sync(client.get))


@pytest.fixture
def wsgi_visitor(shared_server):
    """A visitor of a real WSGI server."""
    return Guest(shared_server("wsgi"))


@pytest.fixture
def daphne_visitor(shared_server):
    """A visitor of a real daphne."""
    return Guest(shared_server("daphne"))


@pytest.fixture(params=["sync", "async"])
def local(request):
    """A visitor of each stack, without a server."""
    return request.getfixturevalue(f"{request.param}_visitor")


@pytest.fixture(params=["sync", "async", "wsgi", "daphne"])
def visitor(request):
    """A visitor of each stack, and of each kind of real server."""
    return request.getfixturevalue(f"{request.param}_visitor")
