// The visitor's conversations, as the inbox's socket tells them.

import { Socket } from "./socket.js";

export class Inbox {
  #items = new Map();
  #on;

  /**
   * Connect.
   *
   * @param path The socket's address.
   * @param on What to call: `changed(gone)`, `up()` when it has come (back), `lost()`, `ended(code)`.
   */
  constructor(path, on) {
    this.#on = on;
    new Socket(path, { frame: (frame) => this.#take(frame), lost: on.lost, ended: on.ended });
  }

  /** Return the conversations, that with the last activity first. */
  get items() {
    return [...this.#items.values()].sort((one, other) => (one.active_at < other.active_at ? 1 : -1));
  }

  /** Return how many messages are unread. */
  get unread() {
    return this.items.reduce((sum, { unread }) => sum + unread, 0);
  }

  #take({ type, items, gone = [] }) {
    if (type === "snapshot") this.#items.clear();
    if (type !== "snapshot" && type !== "delta") return;
    for (const item of items) this.#items.set(item.conversation.id, item);
    for (const id of gone) this.#items.delete(id);
    this.#on.changed(gone);
    if (type === "snapshot") this.#on.up();
  }
}
