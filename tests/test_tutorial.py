"""docs/tutorial.md is true: its files make a project, its commands run, and the page is live under daphne.

Rules:
    1. A block belongs to the file that the line before it names; "Add at the end of" appends.
    2. The commands run as they stand, with this Python, but for ``pip install``; ``runserver`` gets a free port.
    3. The project is built by the first test that asks for it, and served once.
"""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

PAGE = Path(__file__).resolve().parents[1] / "docs/tutorial.md"
PATIENCE = 30.0

BLOCK = re.compile(r"^(?P<intro>[^\n]*)\n\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
WRITE = re.compile(r"`(?P<path>[\w/.]+)`:")
APPEND = re.compile(r"Add at the end of `(?P<path>[\w/.]+)`:")


def blocks() -> list[tuple[str, str, str]]:
    """Return the intro, the language and the text of every block."""
    page = PAGE.read_text()
    found = [(match["intro"], match["language"], match["text"]) for match in BLOCK.finditer(page)]
    assert len(found) * 2 == page.count("```"), "every block has a language, and an empty line before it"
    return found


def run(project: Path, command: str) -> None:
    words = command.split()
    if words[:2] == ["pip", "install"]:
        return
    program = {"python": [sys.executable], "django-admin": [sys.executable, "-m", "django"]}[words[0]]
    result = subprocess.run([*program, *words[1:]], cwd=project, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that a reader has at the end of the page, every command but runserver done on the way."""
    root = tmp_path_factory.mktemp("tutorial")
    for intro, language, text in blocks():
        if language == "sh":
            for command in text.splitlines():
                if "runserver" not in command:
                    run(root, command)
        elif found := APPEND.fullmatch(intro):
            path = root / found["path"]
            path.write_text(path.read_text() + text)
        else:
            named = WRITE.fullmatch(intro)
            assert named, f"no file is named before this block:\n{text}"
            path = root / named["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[str]:
    """``runserver``, which is daphne; gives its host and port."""
    assert any("python manage.py runserver\n" in text for _, language, text in blocks() if language == "sh")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    with (project / "server.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=project, env=environment(), stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_listens(process, port, Path(log.name))
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)  # ends the waiting when the server does
            break
    pytest.fail(f"the server does not listen\n{log.read_text()}")


class Visitor:
    """A browser's cookies, requests and sockets."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def open(self, path: str, form: dict[str, str] | None = None) -> str:
        """Return the text of a page, after a form was posted if one is given."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        with self._opener.open(f"http://{self.server}{path}", data, timeout=PATIENCE) as response:
            text: str = response.read().decode()
            return text

    def socket(self) -> Any:
        """Return a WebSocket to the counter, as a page of the site opens it."""
        cookie = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.cookies)
        return connect(
            f"ws://{self.server}/ws/counter/",
            origin=f"http://{self.server}",
            additional_headers={"Cookie": cookie},
            open_timeout=PATIENCE,
            proxy=None,
        )


def receive(socket: Any) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE))
    socket.send(json.dumps({"type": "ack", "seq": frame["seq"]}))
    return frame


def dispatch(socket: Any, ref: int, action: str, payload: object) -> None:
    socket.send(json.dumps({"type": "dispatch", "ref": ref, "action": action, "payload": payload}))


def test_the_page_serves_its_script_and_its_first_count(server: str) -> None:
    visitor = Visitor(server)
    page = visitor.open("/")
    script = re.search(r'import { connect } from "(.+?)"', page)
    assert '<output id="count">0</output>' in page
    assert script
    assert "export function connect" in visitor.open(script[1])


def test_a_click_in_one_tab_shows_in_both(server: str) -> None:
    visitor = Visitor(server)
    visitor.open("/")
    with visitor.socket() as one, visitor.socket() as two:
        assert receive(one)["changes"] == receive(two)["changes"] == {"count_changed": 0}
        dispatch(one, 1, "counter.add", 1)
        assert receive(one)["changes"] == receive(two)["changes"] == {"count_changed": 1}
        assert receive(one)["version"] == 1
    assert '<output id="count">1</output>' in visitor.open("/")


def test_a_view_tells_the_pages(server: str) -> None:
    visitor = Visitor(server)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', visitor.open("/"))
    assert token
    with visitor.socket() as tab:
        receive(tab)
        dispatch(tab, 1, "counter.add", 5)
        assert receive(tab)["changes"] == {"count_changed": 5}
        assert receive(tab)["type"] == "ok"
        visitor.open("/reset/", {"csrfmiddlewaretoken": token[1]})
        assert receive(tab)["changes"] == {"count_changed": 0}


@pytest.mark.parametrize(
    ("action", "payload", "code"), [("counter.reset", None, "not_allowed"), ("counter.add", "many", "invalid_payload")]
)
def test_a_browser_may_only_what_is_listed(server: str, action: str, payload: object, code: str) -> None:
    visitor = Visitor(server)
    visitor.open("/")
    with visitor.socket() as tab:
        receive(tab)
        dispatch(tab, 1, action, payload)
        assert receive(tab)["code"] == code


def test_visitors_have_counters_of_their_own(server: str) -> None:
    one, two = Visitor(server), Visitor(server)
    one.open("/")
    two.open("/")
    with one.socket() as first, two.socket() as second:
        receive(first)
        receive(second)
        dispatch(first, 1, "counter.add", 1)
        receive(first)
        dispatch(second, 1, "counter.add", 7)
        assert receive(second)["changes"] == {"count_changed": 7}
