"""The doors that need no script of ours, in Chromium: htmx 4, htmx 2 and EventSource, against a real daphne."""

import pytest
from js.browser import PATIENCE_S, browse, through_loads
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    with browse(chromium, tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def page(browser, serve):
    """A function that opens a page of a new visitor; returns a function that waits until an element says something."""
    server = serve("daphne")

    def open(kind):
        browser.get(f"{server.url}/pages/{kind}")
        return lambda id, text: WebDriverWait(browser, PATIENCE_S, 0.02).until(
            lambda driver: text in through_loads(lambda: driver.find_element(By.ID, id).text),
            f"{id} does not say {text!r}: {browser.page_source}",
        )

    open.url = server.url
    yield open
    browser.get("about:blank")
    browser.delete_all_cookies()


def fill(browser, amount):
    def submit():
        field = browser.find_element(By.NAME, "amount")
        field.clear()
        field.send_keys(amount)
        browser.find_element(By.TAG_NAME, "button").click()

    through_loads(submit)


def elsewhere(browser, path):
    """Visit a path of the site in another tab of the same visitor."""
    here = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(path)
    text = browser.find_element(By.TAG_NAME, "body").text
    browser.close()
    browser.switch_to.window(here)
    return text


@pytest.mark.parametrize("kind", ["htmx4", "htmx2"])
def test_fragments_follow_the_session_and_forms_reach_it(browser, page, kind):
    shows = page(kind)
    shows("count", "0 at 0")
    fill(browser, "3")
    shows("count", "3 at 1")
    fill(browser, "many")
    shows("errors", "Expected `int`")
    assert "2" in elsewhere(browser, f"{page.url}/add")  # the version
    shows("count", "4 at 2")


def test_an_event_source_follows_and_stops_for_good_at_the_end(browser, page):
    shows = page("events")
    shows("count", "0")
    elsewhere(browser, f"{page.url}/add")
    shows("count", "1")
    elsewhere(browser, f"{page.url}/log-out")
    shows("state", "closed")
