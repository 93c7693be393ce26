"""Real servers in processes of their own, and the visitors that go there.

Rules:
    1. The test binds the port and hands the socket down: whoever connects waits until the server is up, nobody polls.
    2. Each server keeps its inspection socket in a runtime directory that the test chooses.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from websockets.sync.client import connect

TESTS = Path(__file__).parent.parent
PATIENCE = 30.0

COMMANDS = {
    "daphne": ["-m", "daphne", "-v", "0", "--fd", "{fd}", "testsite.asgi:application"],
    "uvicorn": ["-m", "uvicorn", "--log-level", "warning", "--fd", "{fd}", "testsite.asgi:application"],
    "wsgi": ["-m", "testsite.wsgi_server", "{fd}"],
}


def wait_until(condition):
    """Return what the condition gives, once that is true; a process of its own can only be asked again and again."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{condition} is not true after {PATIENCE:g} s"
    return value


def environment(database, runtime):
    """Return the environment of a process that serves, or asks, the site."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "demo_project")]),
        "DJANGO_SETTINGS_MODULE": "testsite.served",
        "TESTSITE_DATABASE": str(database),
        "XDG_RUNTIME_DIR": str(runtime),
    }


class Server:
    """One server process.

    Attributes:
        pid: Its process id.
        url: Where it answers.
    """

    def __init__(self, kind, env, log):
        with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
            port, fd = listener.getsockname()[1], listener.fileno()
            command = [part.format(fd=fd) for part in COMMANDS[kind]]
            self._process = subprocess.Popen(
                [sys.executable, *command], env=env, pass_fds=[fd], stdout=output, stderr=output, cwd=log.parent
            )
        self.pid = self._process.pid
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    def log(self):
        """Return what it has written so far."""
        return self._log.read_text()

    def memory(self):
        """Return its resident memory (bytes)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("the server has no memory: it is gone")

    def signal(self, number):
        """Send it a signal."""
        self._process.send_signal(number)

    def exit_code(self):
        """Return what it exits with, once it has."""
        return self._process.wait(PATIENCE)

    def stop(self):
        """End it."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
            return
        self._process.kill()
        self._process.wait()


class Guest:
    """A visitor of a real server, with cookies."""

    def __init__(self, server):
        self._server = server
        self._jar = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._jar), urllib.request.ProxyHandler({})
        )

    @property
    def cookies(self):
        return {cookie.name: cookie.value for cookie in self._jar}

    def get(self, path):
        """Return the status and what the JSON, or the text, of the answer says."""
        try:
            with self._opener.open(f"{self._server.url}/{path}", timeout=PATIENCE) as response:
                return response.status, read(response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def socket(self, query="", **options):
        """Open a WebSocket as this visitor."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = self._server.url.replace("http", "ws", 1) + "/ws/" + query
        return connect(url, additional_headers={"Cookie": cookie}, proxy=None, **options)


def read(text):
    """Return what the text says as JSON, or the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
