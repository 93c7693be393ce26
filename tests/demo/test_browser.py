"""The demo in Chromium against daphne: live in every tab, through cuts, logins and logouts."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import pytest
from selenium import webdriver
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from demo.proxy import TcpProxy
from demo.server import DemoServer
from demo.tab import ANY, LIVE, Open, Tab

PLUS = "[data-action='counter.increment'] button"
ADD_MUG = ".product[data-sku=mug] [data-action='cart.add'] button"
ADD_LAMP = ".product[data-sku=lamp] [data-action='cart.add'] button"
PROBE = """
    const { connect } = await import("/static/phoenix_sessions/session.js");
    globalThis.codes = [];
    connect("/ws/shop/").addEventListener("connection", ({ detail }) => codes.push(detail.code));
"""


def cookie(browser: webdriver.Chrome) -> str:
    """Return the visitor's Django session cookie."""
    found = browser.get_cookie("sessionid")
    assert found is not None
    return f"sessionid={found['value']}"


def close_code(server: DemoServer, cookie: str) -> int | None:
    """Return the code with which the server closes a socket that comes with this cookie."""
    with (
        connect(f"ws://127.0.0.1:{server.port}/ws/shop/", additional_headers={"Cookie": cookie}) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=20)
    return closed.value.rcvd.code if closed.value.rcvd else None


def sign_up(tab: Tab, server: DemoServer, name: str) -> None:
    tab.open(f"{server.url}account/sign-up/")
    tab.fill(username=name, password1="a-long-password", password2="a-long-password")
    tab.click(".fields button")
    tab.until(f"document.querySelector('.who')?.textContent === '{name}' && {LIVE}")


def test_a_click_in_one_tab_changes_the_other_in_under_a_second(tab: Open, server: DemoServer) -> None:
    one, other = tab(server.url), tab(server.url)
    other.run("""new MutationObserver(() => (globalThis.changed = Date.now()))
        .observe(document.querySelector("[data-live=count]"), { childList: true, characterData: true });""")
    one.run("addEventListener('click', () => (globalThis.clicked = Date.now()), { capture: true });")
    one.click(PLUS)
    other.until_live("count", "1")
    assert other.run("return changed") - one.run("return clicked") < 1000


def test_a_cut_connection_is_said_and_comes_back_with_the_right_value(
    tab: Open, server: DemoServer, proxy: TcpProxy
) -> None:
    cut, direct = tab(proxy.url), tab(server.url)
    direct.click(PLUS)
    cut.until_live("count", "1")
    proxy.cut()
    cut.until("/^reconnecting\\s+in \\d+ s$/.test(document.querySelector('[data-connection]').innerText.trim())")
    direct.click(PLUS)
    direct.until_live("count", "2")
    assert cut.live("count") == "1"
    proxy.mend()
    cut.until_live("count", "2")
    cut.until(LIVE)


def test_what_is_clicked_during_a_cut_is_done_afterwards(tab: Open, server: DemoServer, proxy: TcpProxy) -> None:
    cut = tab(proxy.url)
    proxy.cut()
    cut.until("document.querySelector('[data-connection]').dataset.connection !== 'open'")
    cut.click(PLUS)
    proxy.mend()
    cut.until_live("count", "1")


@pytest.mark.parametrize(
    ("refused", "code"),
    [("counter.reset", "not_allowed"), ("cart.restore", "not_allowed"), ("cart.add", "invalid_payload")],
)
def test_a_refused_action_says_so_and_changes_nothing(tab: Open, server: DemoServer, refused: str, code: str) -> None:
    page = tab(server.url)
    page.click(PLUS)
    page.until_live("count", "1")
    page.open(f"{server.url}session/").click(f"[data-refused='{refused}']")
    page.until(f"document.querySelector('.notices').textContent.includes('({code})')")
    facts = page.run("return (await fetch('/session/facts/')).json()")
    assert (facts["version"], page.live("size")) == (1, "0")


def test_an_action_that_fails_says_why(tab: Open, server: DemoServer) -> None:
    page = tab(f"{server.url}cart/")
    for _ in range(10):
        page.click(ADD_MUG)
    page.until("document.querySelector('.notices').textContent.includes('9 of one kind')")
    assert page.live("size") == "9"


def test_after_logging_out_sockets_close_with_4401_and_the_old_id_is_dead(
    tab: Open, server: DemoServer, browser: webdriver.Chrome
) -> None:
    one = tab(server.url)
    sign_up(one, server, "logs-out")
    other = tab(f"{server.url}cart/")
    other.click(ADD_MUG)
    other.until_live("size", "1")
    other.run(PROBE)
    old = cookie(browser)
    one.click(".account button")
    one.until(f"document.querySelector('.who') === null && {LIVE}")
    other.until("codes.includes(4401)")
    assert "ended" in other.text("[data-connection]")
    assert "you have logged out" in other.text("[data-ended]")
    assert one.live("size") == "0"
    assert close_code(server, old) == 4401


def test_logging_in_brings_the_guests_cart_along_while_another_tab_is_open(
    tab: Open, server: DemoServer, browser: webdriver.Chrome
) -> None:
    one, other = tab(f"{server.url}cart/"), tab(f"{server.url}cart/")
    one.click(ADD_MUG)
    one.click(ADD_LAMP)
    other.until_live("size", "2")
    other.run(PROBE)
    old = cookie(browser)
    sign_up(one, server, "brings-cart")
    assert (one.live("size"), one.live("total")) == ("2", "€68.50")
    other.until(f"codes.includes(4012) && {LIVE}")
    one.click(ADD_MUG)
    other.until_live("total", "€83.00")
    other.until("[...document.querySelectorAll('.line')].length === 2")
    facts = one.run("return (await fetch('/session/facts/')).json()")
    assert facts["kind"] == "UserSession"
    assert close_code(server, old) == 4401


def test_lines_of_the_cart_are_live_and_keep_the_focus(tab: Open, server: DemoServer) -> None:
    one, other = tab(f"{server.url}cart/"), tab(f"{server.url}cart/")
    one.click(ADD_MUG)
    one.click(ADD_LAMP)
    other.until("document.querySelectorAll('.line').length === 2")
    other.click(".line[data-sku=mug] [data-action='cart.add'] button")
    one.until("document.querySelector('.line[data-sku=mug] .quantity').textContent === '2'")
    assert other.run("return document.activeElement.ariaLabel") == "One more Clay mug"
    other.click(".line[data-sku=mug] [data-action='cart.remove'] button")
    one.until("document.querySelectorAll('.line').length === 1")
    one.click("[data-action='cart.clear'] button")
    other.until("!document.querySelector('[data-when=empty]').hidden")
    assert other.live("total") == "€0.00"


def test_a_customers_wishes_are_live(tab: Open, server: DemoServer) -> None:
    one = tab(server.url)
    sign_up(one, server, "wishes")
    other = tab(f"{server.url}cart/")
    one.click("[data-wish=plant] .make button")
    other.until("document.querySelector('[data-wish=plant]').classList.contains('wished')")
    assert other.live("size") == "0"


def test_the_facts_of_the_session_are_live(tab: Open, server: DemoServer) -> None:
    facts = tab(f"{server.url}session/")
    version = "document.querySelector('[data-fact=version]').textContent"
    other = tab(server.url)
    other.click(PLUS)
    facts.until(f"{version} === '1'")
    facts.until("document.querySelector('[data-fact=subscribers]').textContent === '2'")


@pytest.mark.parametrize(
    "path", ["", "cart/", "search/", "delivery/", "session/", "htmx/", "events/", "account/log-in/", "account/sign-up/"]
)
def test_pages_fit_a_phone_load_nothing_from_elsewhere_and_break_no_policy(
    tab: Open, server: DemoServer, browser: webdriver.Chrome, path: str
) -> None:
    browser.get_log("browser")
    page = tab(server.url + path, ANY if path == "htmx/" else LIVE)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 320, "height": 700, "deviceScaleFactor": 2, "mobile": True}
    )
    wide = page.run("return document.documentElement.scrollWidth")
    loaded = page.run("return performance.getEntriesByType('resource').map(({ name }) => name)")
    assert wide == 320
    assert [name for name in loaded if not name.startswith(server.url)] == []
    assert [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_without_scripts_buttons_work_too(browser: webdriver.Chrome, tab: Open, server: DemoServer) -> None:
    page = tab(server.url)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    for path, button, shown in (("", PLUS, ".count"), ("cart/", ADD_MUG, ".line .quantity")):
        browser.get(server.url + path)
        for number in ("1", "2"):
            page.click(button)
            page.until_text(shown, number)
    request = Request(f"{server.url}session/facts/", headers={"Cookie": cookie(browser)})
    with urlopen(request, timeout=20) as response:
        assert json.load(response)["version"] == 4
