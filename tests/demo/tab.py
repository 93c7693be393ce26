"""A tab of the browser with a page of the demo."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol, Self, TypeVar

from js.browser import PATIENCE_S, through_loads
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")


UNTIL: Final = """
    const deadline = Date.now() + 60_000;
    while (!(%s)) {
        if (Date.now() > deadline) throw new Error("not within 60 s; the page says: " + document.body.innerText);
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
"""
LIVE: Final = "document.querySelector('[data-connection]').dataset.connection === 'open'"
HTMX: Final = "document.body._htmx?.ws?.connection?.socket?.readyState === 1"
ANY: Final = "document.readyState === 'complete'"


class Open(Protocol):
    """Opens a tab."""

    def __call__(self, url: str, ready: str = LIVE) -> Tab: ...


class Tab:
    """One tab; every verb brings it to the front first."""

    def __init__(self, driver: webdriver.Chrome, url: str, ready: str = LIVE) -> None:
        self._driver = driver
        self._ready = ready
        driver.switch_to.new_window("tab")
        self._handle = driver.current_window_handle
        self.open(url)

    def open(self, url: str) -> Self:
        """Load a page and wait until it is ready: live, if nothing else was said."""
        self._front().get(url)
        self.until(self._ready)
        return self

    def run(self, body: str, *args: Any) -> Any:
        """Run the body of an asynchronous function in the page and return what it returns."""
        return self._front().execute_script(f"return (async function () {{{body}}}).apply(null, arguments);", *args)

    def until(self, condition: str) -> None:
        """Wait until the condition holds in the page, through page loads."""
        through_loads(lambda: self.run(UNTIL % condition))

    def click(self, selector: str) -> None:
        """Click as a user does."""
        self._use(selector, WebElement.click)

    def fill(self, **fields: str) -> None:
        """Type into fields of these names."""
        for name, text in fields.items():
            self._use(f"[name='{name}']", lambda field, text=text: field.send_keys(text))  # type: ignore[misc]

    def text(self, selector: str) -> str:
        """Return what the first such element says."""
        return self._use(selector, lambda element: element.text)

    def until_text(self, selector: str, text: str) -> None:
        """Wait until the element has the text, through page loads; needs no scripts in the page."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in (found := self.text(selector)):
            assert time.monotonic() < deadline, f"{selector} says {found!r}, not {text!r}"
            time.sleep(0.02)

    def live(self, name: str) -> str:
        """Return the value that the page shows."""
        found: str = self.run("return document.querySelector(`[data-live=${arguments[0]}]`).textContent", name)
        return found

    def until_live(self, name: str, value: str) -> None:
        """Wait until the page shows this value."""
        self.until(f"document.querySelector('[data-live={name}]').textContent === '{value}'")

    def _use(self, selector: str, use: Callable[[WebElement], T]) -> T:
        return through_loads(lambda: use(self._front().find_element(By.CSS_SELECTOR, selector)))

    def _front(self) -> webdriver.Chrome:
        if self._driver.current_window_handle != self._handle:
            self._driver.switch_to.window(self._handle)
        return self._driver
