// The messages of the open conversation, in the server's order.
//
// Rules:
// 1. First what is stored, by `seq` and each once; then what agents are writing; then what waits to be sent.
// 2. A message of one's own takes the place of what waited under its client_id; an agent's, that of what it was writing.
// 3. Of a message's versions the one that was changed last is shown.

import { Bubble } from "./bubble.js";
import { at } from "./dom.js";
import { Stream } from "./stream.js";

export class Thread {
  #list = at("messages");
  #people;
  #group = false;
  #stored = [];
  #waiting = new Map();
  #streams = new Map();
  #changed = new Map(); // what was changed of messages that are not on the page (yet), by id
  #readSeq = 0;

  constructor(people) {
    this.#people = people;
  }

  /** Return the places of the first and the last message, 0 = there is none. */
  get first() {
    return this.#stored[0]?.message.seq ?? 0;
  }

  get last() {
    return this.#stored.at(-1)?.message.seq ?? 0;
  }

  /** Return the place of the last message of somebody else, 0 = there is none. */
  get heard() {
    return this.#stored.findLast(({ mine }) => !mine)?.message.seq ?? 0;
  }

  /** Return the visitor's last message that can be edited. */
  get own() {
    return this.#stored.findLast(({ mine, message }) => mine && !message.deleted_at)?.message;
  }

  /** Return the message that an element of the page belongs to. */
  message(element) {
    const { id } = element.closest(".message").dataset;
    return this.#stored.find(({ message }) => message.id === id)?.message;
  }

  /** Return what waits that an element of the page belongs to, by its client_id. */
  waits(element) {
    const line = element.closest(".message");
    return [...this.#waiting].find(([, bubble]) => bubble.element === line)?.[0];
  }

  /** Begin anew, with nothing stored; what waits stays if `keep`. */
  clear(keep = false) {
    for (const { element } of this.#stored) element.remove();
    this.#stored = [];
    this.#changed.clear();
    this.endStreams();
    if (keep) return;
    this.#list.replaceChildren();
    this.#waiting.clear();
    this.#readSeq = 0;
  }

  /** Name senders, or do not. */
  name(group) {
    this.#group = group;
  }

  /** Add a message at the end, unless it is there. */
  add(message) {
    if (message.seq <= this.last) return;
    if (message.sender === this.#people.me.id) this.drop(message.client_id);
    this.#streams.get(message.sender)?.end();
    this.#streams.delete(message.sender);
    const bubble = this.#bubble(message);
    bubble.follow(this.#stored.at(-1));
    this.#stored.push(bubble);
    this.#list.insertBefore(bubble.element, this.#tail[0]?.element ?? null);
    this.#regroup();
  }

  /** Add earlier messages at the beginning. */
  prepend(messages) {
    const bubbles = messages.filter(({ seq }) => seq < this.first).map((message) => this.#bubble(message));
    bubbles.forEach((bubble, place) => bubble.follow(bubbles[place - 1]));
    this.#list.prepend(...bubbles.map(({ element }) => element));
    this.#stored[0]?.follow(bubbles.at(-1));
    this.#stored.unshift(...bubbles);
  }

  /** Show a message as it is now. */
  change(message) {
    const bubble = this.#stored.findLast(({ message: { id } }) => id === message.id);
    if (!bubble) this.#changed.set(message.id, message);
    else if (version(message) >= version(bubble.message)) {
      bubble.change(message);
      this.#tick(bubble);
    }
  }

  /** Show a message that waits to be sent. */
  wait({ client_id, text, at, wrong }) {
    if (!this.#waiting.has(client_id)) {
      const bubble = this.#bubble({ sender: this.#people.me.id, content: { text }, created_at: at });
      this.#waiting.set(client_id, bubble);
      this.#list.append(bubble.element);
    }
    const bubble = this.#waiting.get(client_id);
    bubble.tick("waiting");
    bubble.refuse(wrong);
    this.#regroup();
  }

  /** Show that it is stored, at this place; the message itself may still be on its way. */
  stored(clientId, seq) {
    if (seq <= this.last) this.drop(clientId);
    this.#waiting.get(clientId)?.tick("sent");
  }

  /** Show what waited no more. */
  drop(clientId) {
    this.#waiting.get(clientId)?.element.remove();
    this.#waiting.delete(clientId);
    this.#regroup();
  }

  /** Show a part of an answer that is being written. */
  stream({ sender, stream, index, text }) {
    if (this.#streams.get(sender)?.id !== stream) {
      this.#streams.get(sender)?.end();
      const bubble = this.#bubble({ sender, content: { text: "" }, created_at: new Date().toISOString() });
      this.#list.insertBefore(bubble.element, [...this.#waiting.values()][0]?.element ?? null);
      this.#streams.set(sender, new Stream(stream, bubble));
    }
    this.#streams.get(sender).add(index, text);
    this.#regroup();
  }

  /** Show nothing more of what was being written; the answers come as messages. */
  endStreams() {
    for (const stream of this.#streams.values()) stream.end();
    this.#streams.clear();
  }

  /** Show that everybody else has read up to here. */
  read(seq) {
    if (seq === this.#readSeq) return;
    this.#readSeq = seq;
    for (const bubble of this.#stored) this.#tick(bubble);
  }

  /** Say before the first message of others after this place that it is new; returns its element. */
  begin(seq) {
    const bubble = this.#stored.find(({ mine, message }) => !mine && message.seq > seq);
    bubble?.begin(true);
    bubble?.follow(this.#stored[this.#stored.indexOf(bubble) - 1]);
    return bubble?.element;
  }

  get #tail() {
    return [...[...this.#streams.values()].map(({ bubble }) => bubble), ...this.#waiting.values()];
  }

  #bubble(message) {
    const changed = this.#changed.get(message.id);
    this.#changed.delete(message.id);
    const bubble = new Bubble(changed && version(changed) > version(message) ? changed : message, this.#people, this.#group);
    this.#tick(bubble);
    return bubble;
  }

  #tick(bubble) {
    bubble.tick(bubble.message.seq <= this.#readSeq ? "read" : "sent");
  }

  #regroup() {
    let before = this.#stored.at(-1);
    for (const bubble of this.#tail) {
      bubble.follow(before);
      before = bubble;
    }
  }
}

/** Return when a message was last changed (milliseconds), 0 = never. */
function version({ edited_at, deleted_at }) {
  return Math.max(...[edited_at, deleted_at].map((moment) => (moment ? Date.parse(moment) : 0)));
}
