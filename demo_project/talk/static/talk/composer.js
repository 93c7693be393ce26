// Where one writes: a new message, or another text for one that was sent.

import { at, say } from "./dom.js";

const TYPING = 3000; // how often it is said (milliseconds); it is over by itself after six seconds

export class Composer {
  #form = at("composer");
  #text = at("text");
  #on;
  #drafts = new Map();
  #conversation = null;
  #edited = null;
  #said = 0;

  /**
   * Begin.
   *
   * @param on What to call: `send(text)`, `edit(message, text)`, which returns whether it was done, `typing()`, and
   *   `own()`, which returns the message that the arrow upwards edits.
   */
  constructor(on) {
    this.#on = on;
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    this.#text.addEventListener("input", () => this.#input());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    at("no-edit").addEventListener("click", () => this.edit(null));
  }

  /** Write in this conversation, null = in none; what was begun in another one is kept. */
  open(conversation) {
    this.edit(null);
    this.#drafts.set(this.#conversation, this.#text.value);
    this.#conversation = conversation;
    this.#said = 0;
    this.#fill(this.#drafts.get(conversation) ?? "");
  }

  /** Edit a message, null = write a new one. */
  edit(message) {
    if (message && !this.#edited) this.#drafts.set(this.#conversation, this.#text.value);
    const was = this.#edited;
    this.#edited = message;
    at("editing").hidden = !message;
    say(at("edited-text"), message?.content.text);
    if (message || was) this.#fill(message ? message.content.text : (this.#drafts.get(this.#conversation) ?? ""));
    if (message || was) this.focus();
  }

  /** Let nothing be written, and say why; "" = it may. */
  lock(why) {
    say(at("locked"), why);
    this.#form.hidden = Boolean(why);
  }

  /** Be where one types. */
  focus() {
    this.#text.focus({ preventScroll: true });
  }

  async #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (!text) return;
    const edited = this.#edited;
    if (!edited) {
      this.#fill("");
      this.#said = 0;
      this.#on.send(text);
    } else if ((text === edited.content.text || (await this.#on.edit(edited, text))) && this.#edited === edited) this.edit(null);
  }

  #input() {
    this.#grow();
    if (this.#edited || !this.#text.value.trim() || Date.now() - this.#said < TYPING) return;
    this.#said = Date.now();
    this.#on.typing();
  }

  #key(event) {
    if (event.isComposing) return;
    const keyboard = !matchMedia("(pointer: coarse)").matches; // on a phone, Enter makes a line
    if (event.key === "Enter" && !event.shiftKey && keyboard) this.#submit(event);
    if (event.key === "Escape" && this.#edited) this.edit(null);
    if (event.key === "ArrowUp" && !this.#text.value && !this.#edited && this.#on.own()) {
      event.preventDefault();
      this.edit(this.#on.own());
    }
  }

  #fill(text) {
    this.#text.value = text;
    this.#grow();
  }

  #grow() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}
