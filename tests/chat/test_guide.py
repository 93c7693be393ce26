"""docs/chat/guide.md is true: its files make a project, its commands run, and people and the agent talk under daphne.

Rules:
    1. A block belongs to the file that the line before it names; "Add at the end of" appends.
    2. The commands run as they stand, with this Python, but for ``pip install``; ``runserver`` gets a free port.
"""

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
import uuid
from pathlib import Path

import pytest
from websockets.sync.client import connect

PAGE = Path(__file__).resolve().parents[2] / "docs/chat/guide.md"
PATIENCE = 60.0
PASSWORD = "only for the tests"

BLOCK = re.compile(r"^(?P<intro>[^\n]*)\n\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
WRITE = re.compile(r"`(?P<path>[\w/.]+)`:")
APPEND = re.compile(r"Add at the end of `(?P<path>[\w/.]+)`:")


def environment():
    own = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**own, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}


def run(project, command):
    words = command.split()
    if words[:2] == ["pip", "install"] or "runserver" in words:
        return
    if "createsuperuser" in words:
        words.append("--noinput")
    program = {"python": [sys.executable], "django-admin": [sys.executable, "-m", "django"]}[words[0]]
    result = subprocess.run([*program, *words[1:]], cwd=project, env=environment(), capture_output=True, text=True)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project that a reader has at the end of the page."""
    folder = tmp_path_factory.mktemp("guide")
    page = PAGE.read_text()
    blocks = list(BLOCK.finditer(page))
    assert len(blocks) * 2 == page.count("```"), "every block has a language, and an empty line before it"
    for block in blocks:
        if block["language"] == "sh":
            for command in block["text"].splitlines():
                run(folder, command)
        elif append := APPEND.fullmatch(block["intro"]):
            with (folder / append["path"]).open("a") as file:
                file.write("\n" + block["text"])
        else:
            path = folder / WRITE.fullmatch(block["intro"])["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["text"])
    return folder


@pytest.fixture(scope="module")
def site(project):
    """Where the project is served."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
    with (project / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=project, env=environment(), stdout=log, stderr=log)
    try:
        url = f"127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://{url}/chat/health/ready"):
            ready = time.monotonic() < deadline and server.poll() is None
            assert ready, (project / "server.log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def answers(url):
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return answer.status == 200
    return False


class Person:
    """Somebody with a browser."""

    def __init__(self, site, name):
        self.site = site
        self.cookies = http.cookiejar.CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.get("/admin/login/")
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": self.cookie("csrftoken")}
        request = urllib.request.Request(
            f"http://{site}/admin/login/?next=/chat/health/live",
            urllib.parse.urlencode(form).encode(),
            {"Referer": f"http://{site}/"},
        )
        with self.browser.open(request, timeout=PATIENCE) as answer:
            assert answer.url.endswith("/chat/health/live"), answer.read().decode()

    def cookie(self, name):
        return next(cookie.value for cookie in self.cookies if cookie.name == name)

    def get(self, path):
        with self.browser.open(f"http://{self.site}{path}", timeout=PATIENCE) as answer:
            return answer.read().decode()

    @contextlib.contextmanager
    def talk(self, other):
        """Open the page, and do as its script does."""
        page = self.get(f"/talk/{other}")
        conversation = json.loads(re.search(r'<script id="conversation"[^>]*>(.*?)</script>', page)[1])
        headers = {"Cookie": f"sessionid={self.cookie('sessionid')}"}
        url = f"ws://{self.site}/chat/conversation/{conversation}"
        origin = f"http://{self.site}"
        with connect(url, additional_headers=headers, origin=origin, open_timeout=PATIENCE) as client:
            client.send(json.dumps({"type": "join"}))
            yield client


def until(client, kind, condition=lambda frame: True):
    """Return the next frame of a kind for which something holds; all are acknowledged."""
    while True:
        frame = json.loads(client.recv(timeout=PATIENCE))
        client.send(json.dumps({"type": "ack", "ack": frame["frame"]}))
        if frame["type"] == kind and condition(frame):
            return frame


def send(client, text):
    frame = {"type": "send", "client_id": str(uuid.uuid4()), "content": {"text": text}}
    client.send(json.dumps(frame))


def test_what_one_writes_the_other_sees(site):
    ann, bob = Person(site, "ann"), Person(site, "bob")
    with ann.talk("bob") as hers, bob.talk("ann") as his:
        until(hers, "joined"), until(his, "joined")
        send(hers, "Hello")
        assert until(his, "message")["message"]["content"] == {"text": "Hello"}
        assert until(hers, "ack")["seq"] == 1
        his.send(json.dumps({"type": "read", "seq": 1}))
        assert until(hers, "read")["last_read_seq"] == 1
    with bob.talk("ann") as his:
        assert [message["content"]["text"] for message in until(his, "joined")["messages"]] == ["Hello"]


def test_the_agent_answers(site):
    ann = Person(site, "ann")
    with ann.talk("echo") as hers:
        until(hers, "joined")
        send(hers, "Is anybody there?")
        answer = until(hers, "message", lambda frame: frame["message"]["sender"] == "agent:echo")["message"]
    assert (answer["kind"], answer["content"]) == ("assistant", {"text": "You said: Is anybody there?"})


def test_the_pages_that_the_guide_names_are_there(site):
    ann = Person(site, "ann")
    assert "openapi" in ann.get("/chat/docs").lower()
    assert "Conversations" in ann.get("/admin/")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ann.get("/talk/nobody")
