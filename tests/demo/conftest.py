"""The demo's settings on the test site, the demo under a real server, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from js.browser import browse
from selenium import webdriver

from demo.proxy import TcpProxy
from demo.server import DemoServer
from demo.tab import LIVE, Open, Tab

SHARED = ("MIDDLEWARE", "TEMPLATES", "ROOT_URLCONF", "AUTH_PASSWORD_VALIDATORS", "LOGIN_URL", "PHOENIX_SESSIONS")


@pytest.fixture
def shop(own_sessions: object) -> Iterator[None]:
    """The demo's pages on the test site, with sessions of this test's own."""
    from config import settings as demo

    with override_settings(**{name: getattr(demo, name) for name in SHARED}):
        yield


@pytest.fixture
def auto_start_off(shop: None) -> Iterator[None]:
    """The same where the first use starts no session."""
    with override_settings(PHOENIX_SESSIONS={**settings.PHOENIX_SESSIONS, "AUTO_START": False}):
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """The demo under daphne."""
    with DemoServer(tmp_path_factory.mktemp("demo") / "db.sqlite3") as running:
        yield running


@pytest.fixture
def proxy(server: DemoServer) -> Iterator[TcpProxy]:
    """A way to the server that can be cut."""
    with TcpProxy(server.port) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One Chromium for the tests of a module."""
    with browse(chromium, Path(tmp_path_factory.mktemp("profile"))) as driver:
        yield driver


@pytest.fixture
def tab(browser: webdriver.Chrome) -> Iterator[Open]:
    """Opens tabs of one visitor, who has not been here before."""
    first = browser.current_window_handle
    browser.get("about:blank")
    browser.execute_cdp_cmd("Network.clearBrowserCookies", {})

    def open_tab(url: str, ready: str = LIVE) -> Tab:
        return Tab(browser, url, ready)

    yield open_tab
    for handle in browser.window_handles:
        if handle != first:
            browser.switch_to.window(handle)
            browser.close()
    browser.switch_to.window(first)
