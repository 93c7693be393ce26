// What was written and is not stored yet.
//
// Rules:
// 1. It is kept in the tab's sessionStorage: a reload loses nothing, nor does a server that is gone.
// 2. Each message has its client_id from the beginning. However often it is sent, it is stored once.
// 3. What waits for a conversation that is not open is sent by HTTP, in its order.

import { ask } from "./api.js";

export class Outbox {
  #key;
  #entries;
  #posting = false;

  /** Begin with what was left by the page before. */
  constructor(me) {
    this.#key = `talk outbox of ${me}`;
    this.#entries = JSON.parse(sessionStorage.getItem(this.#key) ?? "[]");
  }

  /** Return what waits for a conversation, first come first. */
  of(conversation) {
    return this.#entries.filter((entry) => entry.conversation === conversation);
  }

  /** Keep a text, and return its entry. */
  add(conversation, text) {
    const entry = { client_id: unique(), conversation, text, at: new Date().toISOString(), wrong: null };
    this.#entries.push(entry);
    this.#save();
    return entry;
  }

  /** Forget what is stored by now, or is not wanted any more. */
  drop(clientId) {
    this.#entries = this.#entries.filter((entry) => entry.client_id !== clientId);
    this.#save();
  }

  /** Note why it was refused, so that it is not sent by itself any more; null = send it again. */
  mark(clientId, wrong) {
    const entry = this.#entries.find((each) => each.client_id === clientId);
    if (entry) entry.wrong = wrong;
    this.#save();
    return entry;
  }

  /** Send what waits for other conversations than the one that is open. */
  async post(chat, open) {
    if (this.#posting) return;
    this.#posting = true;
    const stuck = new Set(); // conversations whose order would break
    for (const entry of [...this.#entries]) {
      if (entry.conversation === open() || entry.wrong || stuck.has(entry.conversation)) continue;
      if (!(await this.#post(chat, entry))) stuck.add(entry.conversation);
    }
    this.#posting = false;
  }

  async #post(chat, { client_id, conversation, text }) {
    try {
      await ask("POST", `${chat}conversations/${conversation}/messages`, { client_id, content: { text } });
    } catch (error) {
      if (error.passing) return false;
      this.mark(client_id, error.message);
      return true;
    }
    this.drop(client_id);
    return true;
  }

  #save() {
    sessionStorage.setItem(this.#key, JSON.stringify(this.#entries));
  }
}

/** Return a new id; crypto.randomUUID is there on https only. */
function unique() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
