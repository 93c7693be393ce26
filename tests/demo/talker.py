"""A tab with the demo's chat, and who sits before it."""

from __future__ import annotations

import json
from typing import Any, Final, Self

from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from demo.tab import ANY, LIVE, Tab

ASK: Final = """
    const { ask } = await import("/static/talk/api.js");
    return await ask(...arguments).catch(({ code }) => ({ error: code }));
"""
SEND_BY_HTTP: Final = """
    const { ask } = await import("/static/talk/api.js");
    const [conversation, texts] = arguments;
    async function send(text) {
        const body = { client_id: text, content: { text } };
        while (await ask("POST", `/chat/conversations/${conversation}/messages`, body).then(() => false, () => true)) {
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
    }
    await Promise.all(texts.map(send));
"""
SHOWN: Final = """
    return [...document.querySelectorAll(".message")].map((element) => element.querySelector(".words").textContent);
"""
SEND_ALL: Final = """
    const [texts] = arguments;
    globalThis.sending = (async () => {
        for (const text of texts) {
            document.getElementById("text").value = text;
            document.getElementById("composer").requestSubmit();
            await new Promise((resolve) => setTimeout(resolve, 20));
        }
    })();
"""


class Talker(Tab):
    """Somebody whom the demo lets anybody be."""

    def __init__(self, driver: webdriver.Chrome, url: str, name: str) -> None:
        super().__init__(driver, f"{url}talk/who/", ANY)
        self.click(f"button[value='{name}']")
        self._ready = LIVE
        self.until(f"{LIVE} && document.getElementById('my-avatar').textContent")
        self.url = url
        self.name = name
        self.id: str = self.run("return JSON.parse(document.getElementById('start').textContent).me.id")

    # -- conversations -------------------------------------------------------------------------------------------------

    def home(self) -> Self:
        """Load the page without a conversation."""
        self.open(f"{self.url}talk/")
        return self

    def begin(self, *names: str, title: str | None = None) -> str:
        """Begin a conversation by the dialog, and return its id: with one, or with a title a group."""
        self.click("#new")
        if title is not None:
            self.click("[data-mode=group]")
            self.run("document.getElementById('group-title').value = arguments[0]", title)
        people = f"[...document.querySelectorAll('.person{'[aria-pressed]' if title else ':not([aria-pressed])'}')]"
        self.until(f"{people}.length > 0")
        for name in names:
            self.run(f"{people}.find((each) => each.querySelector('.cut').textContent === arguments[0]).click()", name)
        if title is not None:
            self.click("#make-group")
        self.until("!document.getElementById('new-dialog').open && location.pathname.length > 20")
        self.until_here()
        return str(self.run("return location.pathname.split('/')[2]"))

    def enter(self, conversation: str) -> Self:
        """Choose a conversation from the list."""
        self.until(f"document.querySelector('[data-id=\"{conversation}\"]')")
        self.click(f".item[data-id='{conversation}']")
        return self

    def until_here(self) -> None:
        """Wait until the conversation that is open is joined."""
        self.until("/here now|an agent/.test(document.getElementById('about').textContent)")

    def item(self, conversation: str, part: str) -> str:
        """Return what the list says of a conversation: ``title``, ``preview``, ``badge``."""
        return self.text(f".item[data-id='{conversation}'] .{part}")

    def until_item(self, conversation: str, part: str, text: str) -> None:
        """Wait until it says this."""
        self.until_text(f".item[data-id='{conversation}'] .{part}", text)

    # -- messages ------------------------------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        """Type a message and send it."""
        self._use("#text", lambda field: field.send_keys(text, Keys.ENTER))

    def type(self, text: str) -> None:
        """Type, and send nothing."""
        self._use("#text", lambda field: field.send_keys(text))

    def send_all(self, texts: list[str]) -> None:
        """Begin to send these, whether there is a connection or not."""
        self.run(SEND_ALL, texts)

    def until_written(self) -> None:
        """Wait until these were handed in, which is not to say that they were sent."""
        self.run("await sending")

    @property
    def messages(self) -> list[str]:
        """Return what is on the page, from top to bottom."""
        found: list[str] = self.run(SHOWN)
        return found

    def until_message(self, text: str) -> None:
        """Wait until a message is on the page, stored."""
        self.until(f"{_message(text)}?.dataset.seq")

    def send_by_http(self, conversation: str, texts: list[str]) -> None:
        """Send these to a conversation, in any order, whatever the page shows."""
        self.run(SEND_BY_HTTP, conversation, texts)

    def choose(self, text: str, what: str) -> None:
        """Choose from the menu of one's own message: ``edit``, ``delete``."""
        self.run(f"{_message(text)}.querySelector('.more').click()")
        self.click(f"#menu [data-do={what}]")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the chat's HTTP API, as the page does."""
        return self.run(ASK, method, f"/chat/{path}", body)


def _message(text: str) -> str:
    words = "element.querySelector('.words').textContent"
    return f"[...document.querySelectorAll('.message')].find((element) => {words} === {json.dumps(text)})"
