"""A headless Chromium for a test, with a profile of its own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

T = TypeVar("T")

PATIENCE_S: Final = 20
# what the driver says when the page, or a part of it, is replaced while it works on it, or is not whole yet
BETWEEN_PAGES: Final = re.compile(
    "no such element|stale element|not belong to the document|aborted by navigation|no such execution context"
)
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,900",
)


@contextmanager
def browse(chromium: tuple[str, str], profile: Path) -> Iterator[webdriver.Chrome]:
    """Run Chromium with this new, empty profile directory, and end it.

    Args:
        chromium: The paths of Chromium and its driver.
        profile: The directory.
    """
    browser, driver_path = chromium
    options = Options()
    options.binary_location = browser
    options.add_experimental_option("prefs", {"net.network_prediction_options": 2})  # open no spare connections
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, Service(driver_path))
    driver.set_script_timeout(90)  # longer than what a page waits for by itself
    try:
        yield driver
    finally:
        driver.quit()


def through_loads(attempt: Callable[[], T]) -> T:
    """Return what the attempt returns, made again while the driver is between two pages."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return attempt()
        except WebDriverException as error:
            if time.monotonic() > deadline or not BETWEEN_PAGES.search(error.msg or ""):
                raise
            time.sleep(0.02)
