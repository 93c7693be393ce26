// The list of conversations: who, what was said last and when, and how much of it is unread.

import { at, paint, part } from "./dom.js";
import { brief } from "./times.js";

const MOST = 99;

export class List {
  #list = at("list");
  #people;
  #home;
  #elements = new Map();

  /**
   * Begin, empty.
   *
   * @param people Who is who.
   * @param home The address of the page without a conversation.
   * @param open Is called with the id of a conversation that was chosen.
   */
  constructor(people, home, open) {
    this.#people = people;
    this.#home = home;
    this.#list.addEventListener("click", (event) => {
      const item = event.target.closest("a");
      if (!item || event.ctrlKey || event.metaKey || event.shiftKey) return; // in a new tab or window
      event.preventDefault();
      open(item.dataset.id);
    });
  }

  /** Show these, in this order, and which of them is open. */
  show(items, open) {
    const kept = this.#elements;
    this.#elements = new Map();
    items.forEach((item, place) => {
      const { id } = item.conversation;
      const element = kept.get(id) ?? this.#make(id);
      kept.delete(id);
      this.#elements.set(id, element);
      this.#fill(element.firstElementChild, item, id === open);
      if (this.#list.children[place] !== element) this.#list.insertBefore(element, this.#list.children[place] ?? null);
    });
    for (const element of kept.values()) element.remove();
    at("no-conversations").hidden = items.length > 0;
  }

  #make(id) {
    const element = part("item");
    const link = element.firstElementChild;
    link.dataset.id = id;
    link.href = `${this.#home}${id}/`;
    return element;
  }

  #fill(link, { conversation, last_message, unread, active_at }, open) {
    const title = this.#people.title(conversation);
    const find = (name) => link.querySelector(`.${name}`);
    paint(find("avatar"), this.#people.other(conversation) ?? conversation.id, title);
    find("title").textContent = title;
    const time = link.querySelector("time");
    time.dateTime = active_at;
    time.textContent = brief(active_at);
    find("preview").textContent = this.#preview(conversation, last_message);
    find("badge").hidden = unread === 0;
    find("badge").textContent = unread > MOST ? `${MOST}+` : unread;
    find("unread").textContent = unread ? "unread" : "";
    if (open) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  #preview({ kind }, message) {
    if (!message) return "Nothing has been said yet";
    const text = message.deleted ? "This message was deleted" : message.text || "…";
    const mine = message.sender === this.#people.me.id;
    return mine || kind === "group" ? `${this.#people.you(message.sender)}: ${text}` : text;
  }
}
