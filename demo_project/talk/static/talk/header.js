// Above the messages: whom one talks with, who is here, and who is typing.

import { at, paint } from "./dom.js";

export class Header {
  #people;
  #conversation;
  #present = null; // null = that is not known
  #typing = new Map(); // when it is over by itself, by who

  constructor(people) {
    this.#people = people;
  }

  /** Show a conversation. */
  show(conversation) {
    this.#conversation = conversation;
    const title = this.#people.title(conversation);
    at("title").textContent = title;
    paint(at("avatar"), this.#people.other(conversation) ?? conversation.id, title);
    this.#say();
  }

  /** Show that there is no connection, until it is told who is here. */
  forget() {
    for (const timer of this.#typing.values()) clearTimeout(timer);
    this.#typing.clear();
    this.#present = null;
    this.#say();
  }

  /** Show that these are here. */
  here(present) {
    this.#present = new Set(present);
    this.#say();
  }

  /** Show that somebody has come, or gone. */
  presence(participant, online) {
    if (online) this.#present?.add(participant);
    else this.#present?.delete(participant);
    this.#say();
  }

  /** Show that somebody is typing, for so long (milliseconds). */
  typing(participant, time) {
    clearTimeout(this.#typing.get(participant));
    this.#typing.set(participant, setTimeout(() => this.typed(participant), time));
    this.#say();
  }

  /** Show that somebody is typing no more. */
  typed(participant) {
    clearTimeout(this.#typing.get(participant));
    if (this.#typing.delete(participant)) this.#say();
  }

  #say() {
    const about = at("about");
    const other = this.#conversation && this.#people.other(this.#conversation);
    about.classList.toggle("busy", this.#typing.size > 0);
    about.textContent = this.#conversation ? this.#typingNow(other) || this.#about(other) : "";
    at("avatar").dataset.here = Boolean(other && this.#present?.has(other));
  }

  #typingNow(other) {
    if (this.#typing.size === 0) return "";
    if (other) return "typing …";
    const names = [...this.#typing.keys()].map((id) => this.#people.name(id));
    return `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing …`;
  }

  #about(other) {
    if (!this.#present) return "connecting …";
    const { kind, members } = this.#conversation;
    if (kind === "agent_dm") return "an agent";
    if (other) return this.#present.has(other) ? "here now" : "not here now";
    const here = members.filter(({ participant }) => this.#present.has(participant)).length;
    return `${members.map(({ participant }) => this.#people.you(participant)).join(", ")} · ${here} here now`;
  }
}
