"""README.md and every page of docs/ are true: what they show runs, and what they list is all there is.

Rules:
    1. Python blocks run, each after those above it on the same page; those of the tutorial and of the chat's guide are
       files: test_tutorial.py, chat/test_guide.py.
    2. Reference pages are compared with the code: a setting, check, error or event more or less is a failure.
    3. The example of the browser protocol is spoken with a real consumer.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from doctest import ELLIPSIS
from pathlib import Path
from typing import Any

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.backends.cache import SessionStore
from sybil import Document, Example
from sybil.evaluators.python import pad
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

import phoenix_sessions
from phoenix_sessions import SessionError, checks, consumers, frames, outbox, pump
from phoenix_sessions.conf import DEFAULTS, get_config
from phoenix_sessions.contrib.chat import agents
from phoenix_sessions.contrib.chat.gateway import gateway
from phoenix_sessions.identity import KEY
from phoenix_sessions.inspection import figures
from phoenix_sessions.management.commands import session_stats
from phoenix_sessions.runtime import telemetry

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs/reference"
FILES = {ROOT / "docs/tutorial.md", ROOT / "docs/chat/guide.md"}
PAGES = [ROOT / "README.md", *sorted(page for page in (ROOT / "docs").rglob("*.md") if page not in FILES)]


def run_block(example: Example) -> None:
    """Run a block as ``python -m asyncio`` would: ``await`` may stand outside of a function."""
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, example.namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)


PYTHON = PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)  # what starts with >>> is compared with its output
PYTHON.codeblock_parser = CodeBlockParser("python", run_block)


@pytest.fixture
def chat() -> Iterator[None]:
    """The chat's one door, which an earlier test may have closed with its worker, and nothing at work behind it."""
    gateway.begin_again()
    yield
    agents.stop(20)
    gateway.begin_again()


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run(page: Path, chat: None) -> None:
    for example in Document.parse(str(page), PYTHON):
        example.evaluate()


def headings(page: str) -> list[str]:
    return re.findall(r"^## (.+)$", (REFERENCE / page).read_text(), re.MULTILINE)


def test_the_settings_page_lists_every_key() -> None:
    assert headings("settings.md") == list(DEFAULTS)


def test_the_settings_page_tells_the_defaults() -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]\(#.+?\) \| `(.+?)` \|", (REFERENCE / "settings.md").read_text(), re.MULTILINE)
    assert {key: ast.literal_eval(default) for key, default in rows} == DEFAULTS


def test_the_examples_of_the_settings_page_are_valid(settings: Any) -> None:
    examples = re.findall(r'^Example: `("[A-Z_]+": .+?)`', (REFERENCE / "settings.md").read_text(), re.MULTILINE)
    names = {"timedelta": timedelta}
    given = {key: value for example in examples for key, value in eval(f"{{{example}}}", names).items()}
    assert list(given) == list(DEFAULTS)
    ours = {"SESSION_PROCESS": "phoenix_sessions.SessionProcess", "REDUCERS": []}  # the page names classes of a shop
    settings.PHOENIX_SESSIONS = {**given, **ours}
    get_config()


def test_the_checks_page_lists_every_id() -> None:
    ids = re.findall(r'"(phoenix_sessions\.[EW]\d{3})"', inspect.getsource(checks))
    assert headings("checks.md") == ids


def test_every_check_has_a_cure() -> None:
    assert (REFERENCE / "checks.md").read_text().count("\nCure: ") == len(headings("checks.md"))


def test_the_errors_page_lists_every_error() -> None:
    public = {name: getattr(phoenix_sessions, name) for name in phoenix_sessions.__all__}
    errors = {name for name, value in public.items() if isinstance(value, type) and issubclass(value, SessionError)}
    assert set(headings("errors.md")) == errors


def test_the_errors_page_marks_the_errors_that_nothing_uses() -> None:
    sections = re.split(r"^## ", (REFERENCE / "errors.md").read_text(), flags=re.MULTILINE)[1:]
    reserved = {section.split()[0] for section in sections if "*Reserved" in section}
    package = Path(inspect.getfile(phoenix_sessions)).parent
    declaring = {package / "__init__.py", package / "core/errors.py"}
    source = "".join(path.read_text() for path in package.rglob("*.py") if path not in declaring)
    assert reserved == {name for name in headings("errors.md") if not re.search(rf"\b{name}\b", source)} - {
        "SessionError"
    }


def test_the_api_page_lists_every_event() -> None:
    events = {value for name, value in vars(telemetry).items() if name.isupper()}
    listed = re.findall(r"^\| `(phoenix_sessions\.[\w.]+)` \|", (REFERENCE / "api.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(events)


def test_the_stats_page_lists_every_field() -> None:
    rows = re.findall(r"^\| (`.+?`) \|", (REFERENCE / "stats.md").read_text(), re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(session_stats.add_up([asyncio.run(figures())]))


def test_the_protocol_page_lists_every_close_code() -> None:
    codes = {value for value in vars(pump).values() if isinstance(value, int) and 1000 <= value < 5000}
    page = (REFERENCE / "browser-protocol.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d{4}) \|", page, re.MULTILINE)} == codes


def test_session_js_does_what_the_protocol_page_says_a_client_does() -> None:
    rows = re.findall(r"^\| (\d{4}) \| .+ \| (.+?) \|$", (REFERENCE / "browser-protocol.md").read_text(), re.MULTILINE)
    script = (Path(inspect.getfile(phoenix_sessions)).parent / "static/phoenix_sessions/session.js").read_text()
    assert f"FINAL = new Set([{', '.join(code for code, what in rows if what == 'stop')}])" in script
    assert f"RESTART = {' '.join(code for code, what in rows if 'at once' in what)};" in script


def test_the_protocol_page_tells_the_limits() -> None:
    mixin = consumers.SessionConsumerMixin
    page = (REFERENCE / "browser-protocol.md").read_text()
    told = [int(number.replace(",", "")) for number in re.findall(r"^\| .+ \| ([\d,]+) \|", page, re.MULTILINE)]
    assert told == [
        mixin.max_frame_bytes, frames.MAX_ACTION_TYPE, mixin.frame_burst, mixin.frames_per_second,
        consumers.MAX_BAD_FRAMES, outbox.WINDOW, mixin.ack_timeout, outbox.MAX_REPLIES,
    ]  # fmt: skip


async def test_the_example_of_the_protocol_page_is_what_a_consumer_says() -> None:
    page = (REFERENCE / "browser-protocol.md").read_text()
    [example] = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    [(subscriptions, actions)] = re.findall(r"`subscriptions = (.+?)` and `allowed_actions = (.+?)`", page)
    declared = {"subscriptions": ast.literal_eval(subscriptions), "allowed_actions": ast.literal_eval(actions)}
    consumer = type("Consumer", (consumers.SessionConsumerMixin, AsyncJsonWebsocketConsumer), declared)
    first = SessionStore()
    first[KEY] = "visitor-1"
    epochs: dict[int, int] = {}  # the page's for the real one, which is random
    socket: WebsocketCommunicator | None = None
    for line in example.splitlines():
        who, _, what = line.partition(" ")
        if who == "connect":
            for real, printed in epochs.items():
                what = what.replace(str(printed), str(real))
            socket = WebsocketCommunicator(consumer.as_asgi(), what)
            socket.scope["session"] = first
            assert (await socket.connect())[0]
        elif who == "client:":
            await socket.send_json_to(json.loads(what))
        elif who == "server:":
            said, told = await socket.receive_json_from(), json.loads(what)
            if "epoch" in said:
                said["epoch"] = epochs.setdefault(said["epoch"], told["epoch"])
            assert said == told
        else:
            assert line == "disconnect"
            await socket.disconnect()
