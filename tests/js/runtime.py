"""Where session.js runs in the tests: in Chromium, and in Node, whose WebSocket is another implementation.

Rules:
    1. Chromium is what counts; the ``chromium`` fixture says what happens without it.
    2. Node is a second opinion and a quick one; it is skipped when it is not there or has no WebSocket.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from selenium import webdriver

from .browser import browse
from .server import SESSION_JS, ScriptedServer


class Runtime(Protocol):
    """A place where JavaScript runs."""

    module: str
    """What to import session.js from."""

    def run(self, body: str, *args: Any) -> Any:
        """Run the body of an asynchronous function and return what it returns."""


class Page:
    """An open page in Chromium."""

    module = "/session.js"

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def run(self, body: str, *args: Any) -> Any:
        """See Runtime."""
        return self.driver.execute_script(f"return (async function () {{{body}}}).apply(null, arguments);", *args)


class Node:
    """A Node process that runs what it is sent, line by line."""

    module = "data:text/javascript;base64," + base64.b64encode(SESSION_JS.read_bytes()).decode()

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def run(self, body: str, *args: Any) -> Any:
        """See Runtime."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"body": body, "args": args}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]


@contextmanager
def page(server: ScriptedServer, chromium: tuple[str, str], profile: Path) -> Iterator[Page]:
    """Open the server's page in Chromium."""
    with browse(chromium, profile) as driver:
        driver.get(server.url)
        yield Page(driver)


@contextmanager
def node() -> Iterator[Node]:
    """Run a Node process, and end it."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    major = int(re.findall(r"\d+", version)[0])
    if major < 20:
        pytest.skip(f"node {version.strip()} has no WebSocket")
    flags = ["--experimental-websocket"] if major < 22 else []
    command = [program, *flags, str(Path(__file__).with_name("driver.mjs"))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Node(process)
    finally:
        process.communicate()
