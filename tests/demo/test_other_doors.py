"""The htmx cart and the counter over server-sent events, in Chromium against daphne."""

from __future__ import annotations

from selenium import webdriver

from demo.proxy import TcpProxy
from demo.server import DemoServer
from demo.tab import HTMX, LIVE, Open, Tab

ADD_MUG = ".product[data-sku=mug] button"
LINE = "document.querySelector('#basket .line[data-sku=mug] .quantity')?.textContent"


def sign_up(tab: Tab, name: str) -> None:
    tab.fill(username=name, password1="a-long-password", password2="a-long-password")
    tab.click(".fields button")
    tab.until(f"document.querySelector('.who')?.textContent === '{name}' && {LIVE}")


def test_the_htmx_cart_is_live_and_loads_no_page(tab: Open, server: DemoServer) -> None:
    cart, other = tab(f"{server.url}htmx/", HTMX), tab(f"{server.url}htmx/", HTMX)
    cart.run("globalThis.stayed = true")
    cart.click(ADD_MUG)
    other.until(f"{LINE} === '1'")
    other.click(".line[data-sku=mug] [aria-label='One more Clay mug']")
    cart.until(f"{LINE} === '2'")
    cart.until("document.querySelector('.sum strong').textContent === '€29.00'")
    cart.until("document.querySelector('#badge').textContent === '2'")
    cart.click(".cart form:last-child .quiet")
    other.until("document.querySelector('#basket .empty')")
    assert cart.run("return globalThis.stayed") is True


def test_the_htmx_page_has_no_script_of_ours(tab: Open, server: DemoServer) -> None:
    page = tab(f"{server.url}htmx/", HTMX)
    scripts = page.run("return [...document.scripts].map(({ src }) => new URL(src).pathname)")
    vendored = "/static/shop/vendor/htmx-4.0.1"
    assert scripts == [f"{vendored}/htmx.min.js", f"{vendored}/hx-ws.min.js"]


def test_the_htmx_cart_and_the_other_one_are_the_same(tab: Open, server: DemoServer) -> None:
    cart, other = tab(f"{server.url}htmx/", HTMX), tab(f"{server.url}cart/", LIVE)
    cart.click(ADD_MUG)
    other.until_live("total", "€14.50")


def test_htmx_says_why_an_action_failed(tab: Open, server: DemoServer) -> None:
    cart = tab(f"{server.url}htmx/", HTMX)
    for _ in range(10):
        cart.click(ADD_MUG)
    cart.until("document.querySelector('#trouble').textContent.includes('9 of one kind')")
    assert cart.run(f"return {LINE}") == "9"


def test_the_htmx_cart_comes_back_after_a_cut(tab: Open, server: DemoServer, proxy: TcpProxy) -> None:
    cut, direct = tab(f"{proxy.url}htmx/", HTMX), tab(f"{server.url}htmx/", HTMX)
    proxy.cut()
    cut.until(f"!({HTMX})")
    direct.click(ADD_MUG)
    direct.until(f"{LINE} === '1'")
    proxy.mend()
    cut.until(f"{LINE} === '1'")


def test_the_htmx_cart_comes_along_when_somebody_logs_in_elsewhere(tab: Open, server: DemoServer) -> None:
    cart = tab(f"{server.url}htmx/", HTMX)
    cart.click(ADD_MUG)
    cart.until(f"{LINE} === '1'")
    cart.run("globalThis.before = document.body._htmx.ws.connection.socket")
    sign_up(tab(f"{server.url}account/sign-up/"), "htmx")
    cart.until(f"{HTMX} && document.body._htmx.ws.connection.socket !== before")
    cart.click(ADD_MUG)
    cart.until(f"{LINE} === '2'")


def test_the_htmx_cart_works_without_scripts(browser: webdriver.Chrome, tab: Open, server: DemoServer) -> None:
    page = tab(f"{server.url}htmx/", HTMX)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get(f"{server.url}htmx/")
    page.click(ADD_MUG)
    page.until_text("#basket .quantity", "1")
    page.click("#basket [aria-label='Remove Clay mug']")
    page.until_text("#basket", "Nothing in it yet.")


def test_events_show_what_other_pages_do_and_the_other_way_round(tab: Open, server: DemoServer) -> None:
    events, counter = tab(f"{server.url}events/"), tab(server.url)
    events.run("globalThis.stayed = true")
    counter.click("[data-action='counter.increment'] button")
    events.until_live("count", "1")
    events.click("[aria-label='One more']")
    counter.until_live("count", "2")
    events.until_live("count", "2")
    assert events.run("return globalThis.stayed") is True


def test_events_come_back_after_a_cut_line(tab: Open, server: DemoServer, proxy: TcpProxy) -> None:
    events, counter = tab(f"{proxy.url}events/"), tab(server.url)
    counter.click("[data-action='counter.increment'] button")
    events.until_live("count", "1")
    proxy.cut()
    events.until(f"!({LIVE})")
    counter.click("[data-action='counter.increment'] button")
    counter.until_live("count", "2")
    assert events.live("count") == "1"
    proxy.mend()
    events.until_live("count", "2")
    events.until(LIVE)


def test_events_end_at_logout(tab: Open, server: DemoServer) -> None:
    one = tab(f"{server.url}account/sign-up/")
    sign_up(one, "events")
    events = tab(f"{server.url}events/")
    one.click(".account button")
    events.until("document.querySelector('[data-connection]').dataset.connection === 'closed'")
    assert "you have logged out" in events.text("[data-ended]")
