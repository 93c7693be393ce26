"""Time travel, the search box and the delivery page in Chromium against daphne."""

from __future__ import annotations

from selenium import webdriver

from demo.server import DemoServer
from demo.tab import ANY, LIVE, Open, Tab

PLUS = "[data-action='counter.increment'] button"
PRESENT = "document.querySelector('.present .version')?.innerText.trim()"
STATUS = "document.querySelector('.quote').dataset.status"
RELOADS = "document.querySelector('[data-reloads]').textContent"


def choose(page: Tab, town: str) -> None:
    page.run("document.querySelector('#town').value = arguments[0]", town)
    page.click(".ask button")


def test_two_tabs_travel_in_step(tab: Open, server: DemoServer) -> None:
    one, other = tab(server.url), tab(server.url)
    for version in ("1", "2", "3"):
        one.click(PLUS)
        one.until(f"{PRESENT}?.endsWith('{version}')")
    other.until(f"{PRESENT}?.endsWith('3')")
    other.click("[data-key='1']")
    one.until_live("count", "1")
    one.until(f"{PRESENT}?.endsWith('4')")
    one.click("[data-key='undo']")
    other.until_live("count", "0")
    other.until(f"{PRESENT}?.endsWith('5')")
    other.click("[data-key='redo']")
    one.until_live("count", "1")
    one.until(f"{PRESENT}?.endsWith('6')")
    assert one.run("return document.activeElement.dataset.key") == "undo"
    assert one.run("return document.querySelectorAll('.moment').length") == 7
    assert one.run("return /UTC|Invalid/.test(document.querySelector('.moments').innerText)") is False


def test_undoing_nothing_says_so(tab: Open, server: DemoServer) -> None:
    page = tab(server.url)
    page.click("[data-key='undo']")
    page.until("document.querySelector('.notices').textContent === 'There is nothing to undo.'")


def test_the_cart_travels_too(tab: Open, server: DemoServer) -> None:
    cart, counter = tab(f"{server.url}cart/"), tab(server.url)
    cart.click(".product[data-sku=mug] [data-action='cart.add'] button")
    counter.until("document.querySelector('.what')?.textContent === 'Clay mug into the cart'")
    counter.click("[data-key='0']")
    cart.until_live("size", "0")


def test_ten_keystrokes_make_one_search(tab: Open, server: DemoServer) -> None:
    page, other = tab(f"{server.url}search/"), tab(f"{server.url}search/")
    # typed by script, all at once: a test must not depend on how fast the driver types
    page.run(
        """const box = document.querySelector("[data-typed]");
        for (const letter of "quiet lamp") {
            box.value += letter;
            box.dispatchEvent(new Event("input", { bubbles: true }));
        }"""
    )
    page.until_live("keystrokes", "10")
    page.until_live("searches", "1")
    page.until("document.querySelector('[data-part]').textContent.includes('Nothing here is called “quiet lamp”')")
    other.until_live("searches", "1")


def test_what_was_typed_is_found_in_every_tab(tab: Open, server: DemoServer) -> None:
    page, other = tab(f"{server.url}search/"), tab(f"{server.url}search/")
    page.fill(text="light")
    for each in (page, other):
        each.until("document.querySelector('.found strong')?.textContent === 'Beeswax candle'")
    page.click(".found [data-action='cart.add'] button")
    other.until_live("size", "1")


def test_the_courier_answers(tab: Open, server: DemoServer) -> None:
    page, other = tab(f"{server.url}delivery/"), tab(f"{server.url}delivery/")
    other.run(
        """globalThis.seen = [];
        new MutationObserver(() => seen.push(document.querySelector(".quote").dataset.status))
            .observe(document.querySelector("[data-part='/delivery/quote/']"), { childList: true });"""
    )
    choose(page, "Lisbon")
    page.until(f"{STATUS} === 'loaded'")
    other.until(f"{STATUS} === 'loaded'")
    assert page.text(".quote") == "A parcel to Lisbon is €6.90."
    assert other.run("return [...new Set(seen)]") == ["loading", "loaded"]


def test_the_courier_refuses(tab: Open, server: DemoServer) -> None:
    page = tab(f"{server.url}delivery/")
    choose(page, "Atlantis")
    page.until(f"{STATUS} === 'failed'")
    assert page.text(".quote") == "The courier says: no van goes to Atlantis."


def test_a_question_can_be_taken_back_in_another_tab(tab: Open, server: DemoServer) -> None:
    page, other = tab(f"{server.url}delivery/"), tab(f"{server.url}delivery/")
    choose(page, "the Moon")
    other.until("document.querySelector('[data-key=cancel]')")
    other.click("[data-key=cancel]")
    page.until(f"{STATUS} === 'cancelled'")
    choose(page, "Lisbon")  # would come to nothing if the Moon's effect were still there to answer
    page.until(f"{STATUS} === 'loaded'")


def test_a_later_question_replaces_an_earlier_one(tab: Open, server: DemoServer) -> None:
    page = tab(f"{server.url}delivery/")
    choose(page, "the Moon")
    page.until(f"{STATUS} === 'loading'")
    choose(page, "Lisbon")
    page.until(f"{STATUS} === 'loaded'")
    assert "Lisbon" in page.text(".quote")


def test_many_clicks_reload_the_board_once(tab: Open, server: DemoServer) -> None:
    page = tab(f"{server.url}delivery/")
    page.run("for (let n = 0; n < 10; n++) document.querySelector(\"[data-action='delivery.reload'] button\").click();")
    page.until(f"{RELOADS} === '1'")
    page.until("document.querySelectorAll('.vans li').length === 3")
    page.click(".ask button")  # answered after all clicks, on the same socket's session
    page.until(f"{STATUS} !== 'idle'")
    assert page.run(f"return {RELOADS}") == "1"


def test_without_scripts_one_travels_searches_and_asks(
    browser: webdriver.Chrome, tab: Open, server: DemoServer
) -> None:
    page = tab(server.url)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(server.url)
    page.click(PLUS)
    page.until_text(".count", "1")
    page.click("[data-key=undo]")
    page.until_text(".count", "0")
    browser.get(f"{server.url}search/")
    page.fill(text="kettle\n")
    page.until_text(".found strong", "Kettle")
    browser.get(f"{server.url}delivery/")
    page.fill(town="the Moon")
    page.click(".ask button")
    page.until_text(".quote", "Asking about the Moon")
    page.click("[data-key=cancel]")
    page.until_text(".quote", "You took the question back")


def test_a_walk_leaves_no_warning_in_the_log(tab: Open, server: DemoServer) -> None:
    said = len(server.log)
    page = tab(server.url)
    page.click(PLUS)
    page.until_live("count", "1")
    page.open(f"{server.url}cart/").click(".product[data-sku=mug] [data-action='cart.add'] button")
    page.until_live("size", "1")
    page.open(f"{server.url}search/").fill(text="mug")
    page.until("document.querySelector('.found')")
    page.open(f"{server.url}delivery/").click("[data-action='delivery.reload'] button")
    page.until(f"{RELOADS} === '1'")
    choose(page, "Atlantis")
    page.until(f"{STATUS} === 'failed'")
    for path in ("session/", "events/"):
        page.open(server.url + path)
    tab(f"{server.url}htmx/", ANY)
    page.open(f"{server.url}account/sign-up/")
    page.fill(username="walker", password1="a-long-password", password2="a-long-password")
    page.click(".fields button")
    page.until(f"document.querySelector('.who')?.textContent === 'walker' && {LIVE}")
    page.click("[data-wish=plant] .make button")
    page.until("document.querySelector('[data-wish=plant]').classList.contains('wished')")
    page.click(".account button")
    page.until(f"document.querySelector('.who') === null && {LIVE}")
    log = server.log[said:]
    assert any(line.startswith("INFO session ") for line in log)
    assert [line for line in log if any(word in line for word in ("WARN", "Warn", "ERROR", "Traceback", " 500 "))] == []
