// What may be done with a message of one's own.

import { at } from "./dom.js";

const GAP = 4;

export class Menu {
  #menu = at("menu");
  #message = null;

  /**
   * Open at the buttons of messages.
   *
   * @param find Returns the message of an element.
   * @param on What to call: `edit(message)`, `remove(message)` once the visitor is sure.
   */
  constructor(find, on) {
    at("messages").addEventListener("click", ({ target }) => {
      const button = target.closest(".more");
      if (button) this.#open(button, find(button));
    });
    this.#menu.addEventListener("click", ({ target }) => this.#choose(target.dataset.do, on));
    this.#menu.addEventListener("keydown", (event) => this.#move(event));
  }

  #open(button, message) {
    this.#message = message;
    this.#menu.showPopover();
    const { bottom, right } = button.getBoundingClientRect();
    const { offsetHeight, offsetWidth } = this.#menu;
    this.#menu.style.left = `${Math.max(GAP, right - offsetWidth)}px`;
    this.#menu.style.top = `${Math.min(bottom + GAP, innerHeight - offsetHeight - GAP)}px`;
    this.#menu.firstElementChild.focus();
  }

  async #choose(what, on) {
    if (!what) return;
    this.#menu.hidePopover();
    const message = this.#message;
    if (what === "edit") on.edit(message);
    else if (await sure()) on.remove(message);
  }

  #move(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const { nextElementSibling, previousElementSibling } = document.activeElement;
    (nextElementSibling ?? previousElementSibling)?.focus();
  }
}

/** Return whether the visitor means it. */
function sure() {
  const dialog = at("sure");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "delete"), { once: true });
  });
}
