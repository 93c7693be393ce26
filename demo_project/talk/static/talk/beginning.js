// The dialog that begins a conversation: with one, person or agent, or with a group of people.

import { ask } from "./api.js";
import { at, paint, part } from "./dom.js";

export class Beginning {
  #dialog = at("new-dialog");
  #people;
  #chat;
  #on;
  #group = false;
  #chosen = new Set();

  /**
   * Open at the buttons for it.
   *
   * @param people Who is who.
   * @param chat Where the chat's API is.
   * @param on What to call: `open(conversation)`, `notice(text)`.
   */
  constructor(people, chat, on) {
    this.#people = people;
    this.#chat = chat;
    this.#on = on;
    for (const id of ["new", "first"]) at(id).addEventListener("click", () => this.#open());
    this.#dialog.querySelector("[data-close]").addEventListener("click", () => this.#dialog.close());
    for (const mode of this.#modes) mode.addEventListener("click", () => this.#choose(mode.dataset.mode === "group"));
    at("make-group").addEventListener("click", () => this.#makeGroup());
    at("new-form").addEventListener("submit", (event) => {
      event.preventDefault(); // Enter in the name of the group
      if (this.#group) this.#makeGroup();
    });
  }

  get #modes() {
    return this.#dialog.querySelectorAll("[data-mode]");
  }

  #open() {
    at("group-title").value = "";
    this.#dialog.showModal();
    this.#choose(false);
  }

  async #choose(group) {
    this.#group = group;
    this.#chosen.clear();
    for (const mode of this.#modes) mode.ariaPressed = String((mode.dataset.mode === "group") === group);
    for (const element of this.#dialog.querySelectorAll("[data-group]")) element.hidden = !group;
    const others = await this.#people.others().catch((error) => this.#fail(error));
    if (!others || group !== this.#group) return;
    const shown = others.filter(({ kind }) => !group || kind === "user");
    at("people").replaceChildren(...shown.map((each) => this.#person(each)));
  }

  #person({ id, name, kind }) {
    const element = part("person");
    const button = element.firstElementChild;
    const [avatar, label, about] = button.children;
    paint(avatar, id, name);
    label.textContent = name;
    about.textContent = kind === "user" ? "" : kind;
    button.dataset.person = id;
    if (this.#group) button.ariaPressed = "false";
    button.addEventListener("click", () => (this.#group ? this.#toggle(button, id) : this.#make({ members: [id], once: true })));
    return element;
  }

  #toggle(button, id) {
    const chosen = !this.#chosen.delete(id);
    if (chosen) this.#chosen.add(id);
    button.ariaPressed = String(chosen);
  }

  #makeGroup() {
    const title = at("group-title").value.trim();
    if (!title) return at("group-title").focus();
    if (this.#chosen.size === 0) return this.#on.notice("Choose who is in it.");
    this.#make({ members: [...this.#chosen], title, group: true });
  }

  async #make(body) {
    try {
      const conversation = await ask("POST", `${this.#chat}conversations`, body);
      this.#dialog.close();
      this.#on.open(conversation);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    this.#dialog.close();
    this.#on.notice(error.message);
  }
}
