"""A scripted server, and session.js in Chromium and in Node."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from js.runtime import Page, Runtime, node, page
from js.server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture(scope="module")
def chromium_page(chromium: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with ScriptedServer() as server, page(server, chromium, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(params=["chromium", "node"])
def runtime(request: pytest.FixtureRequest, server: ScriptedServer) -> Iterator[Runtime]:
    """A fresh global scope to run in."""
    if request.param == "chromium":
        opened: Page = request.getfixturevalue("chromium_page")
        opened.driver.get(server.url)
        yield opened
        opened.driver.get("about:blank")
    else:
        with node() as process:
            yield process
