// What was said before: earlier pages, and what has become of those that are shown.

import { ask } from "./api.js";
import { at } from "./dom.js";

const PAGE = 50;

export class Past {
  #url;
  #thread;
  #scroll;
  #loading = false;
  #over = false;

  /** Whether there are earlier messages. */
  more = false;

  constructor(chat, conversation, thread, scroll) {
    this.#url = `${chat}conversations/${conversation}/messages`;
    this.#thread = thread;
    this.#scroll = scroll;
  }

  /** Show the page before the first message. */
  async earlier() {
    if (!this.more || this.#loading || !this.#thread.first) return;
    this.#loading = true;
    at("older").hidden = false;
    try {
      const page = await ask("GET", `${this.#url}?before_seq=${this.#thread.first}&limit=${PAGE}`);
      if (!this.#over) this.#show(page);
    } catch {
      // the next scrolling asks again
    } finally {
      this.#loading = false;
      if (!this.#over) at("older").hidden = true;
    }
  }

  /** Read what is shown once more, up to this place: what was edited meanwhile was told to nobody who was away. */
  async again(last) {
    let after = this.#thread.first - 1;
    try {
      while (after < last && !this.#over) {
        const { messages } = await ask("GET", `${this.#url}?after_seq=${after}&limit=${PAGE}`);
        if (this.#over || messages.length === 0) return;
        for (const message of messages) this.#thread.change(message);
        after = messages.at(-1).seq;
      }
    } catch {
      // no connection again: so it is joined again, and read again
    }
  }

  /** Show nothing more. */
  close() {
    this.#over = true;
    at("older").hidden = true;
  }

  #show({ messages, more_before }) {
    this.more = more_before;
    this.#scroll.prepend(() => this.#thread.prepend(messages));
  }
}
