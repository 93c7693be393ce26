// One message on the page: stored, waiting to be, or being written by an agent.

import { part, say, tone } from "./dom.js";
import { clock, day, sameDay } from "./times.js";

const TICKS = { waiting: "Waiting to be sent", sent: "Sent", read: "Read" };
const TOGETHER = 5 * 60_000;

export class Bubble {
  element = part("message");

  /**
   * Make it.
   *
   * @param message As the server tells it, or what is known of it so far.
   * @param people Who is who.
   * @param group Whether senders have to be named.
   */
  constructor(message, people, group) {
    this.mine = message.sender === people.me.id;
    this.element.classList.toggle("mine", this.mine);
    this.name = people.name(message.sender);
    this.group = group;
    this.#find("sender").dataset.tone = tone(message.sender);
    this.change(message);
  }

  /** Show the message as it is now. */
  change(message) {
    this.message = message;
    const gone = Boolean(message.deleted_at);
    const { text } = message.content;
    this.element.classList.toggle("gone", gone);
    if (message.id) this.element.dataset.id = message.id;
    if (message.seq) this.element.dataset.seq = message.seq;
    this.#find("words").textContent = gone ? "This message was deleted" : (text ?? "This page cannot show this message");
    this.#find("edited").hidden = gone || !message.edited_at;
    this.#find("more").hidden = !this.mine || gone || !message.id;
    const time = this.element.querySelector("time");
    time.dateTime = message.created_at;
    time.textContent = clock(message.created_at);
  }

  /** Show what follows from the message before it, if there is one: a new day, a sender, or neither. */
  follow(before) {
    const { created_at, sender } = this.message;
    const newDay = !before || !sameDay(before.message.created_at, created_at);
    const near = !newDay && new Date(created_at) - new Date(before.message.created_at) < TOGETHER;
    const together = near && before.message.sender === sender && this.#find("fresh").hidden;
    this.#find("day").hidden = !newDay;
    this.#find("day").firstElementChild.textContent = newDay ? day(created_at) : "";
    this.element.classList.toggle("together", together);
    say(this.#find("sender"), this.group && !this.mine && !together ? this.name : "");
  }

  /** Say that here begins what the visitor has not read. */
  begin(fresh) {
    this.#find("fresh").hidden = !fresh;
  }

  /** Show how far an own message is: "waiting", "sent", "read". */
  tick(state) {
    const tick = this.#find("tick");
    tick.hidden = !this.mine || Boolean(this.message.deleted_at);
    tick.dataset.tick = state;
    tick.ariaLabel = tick.title = TICKS[state];
  }

  /** Show why it was refused, null = it was not. */
  refuse(why) {
    this.element.classList.toggle("refused", Boolean(why));
    this.#find("wrong").hidden = !why;
    this.#find("wrong").firstElementChild.textContent = why ?? "";
  }

  #find(name) {
    return this.element.querySelector(`.${name}`);
  }
}
