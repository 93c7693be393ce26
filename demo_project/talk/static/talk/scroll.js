// Where the messages are scrolled to.
//
// Rules:
// 1. Who is at the end stays there when something is added, or when the window is made smaller.
// 2. Who is not stays where he is, also when earlier messages are put before, and is told how many are new.

import { at } from "./dom.js";

const NEAR = 48;
const EARLY = 600;

export class Scroll {
  #box = at("scroll");
  #button = at("newest");
  #below = 0;
  #stuck = true;

  /**
   * Watch.
   *
   * @param on What to call: `top()` near the beginning, `end()` at the end.
   */
  constructor(on) {
    this.on = on;
    this.#box.addEventListener("scroll", () => this.#moved());
    this.#button.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.#stuck && this.toEnd()).observe(this.#box);
  }

  /** Return whether the end is on the screen. */
  get atEnd() {
    return this.#stuck;
  }

  /** Change what is shown, and stay at the end, if that is where we are. */
  add(change, fresh = 0) {
    change();
    if (this.#stuck) this.toEnd();
    else this.#count(this.#below + fresh);
  }

  /** Put something before what is shown, which stays where it is. */
  prepend(change) {
    const { scrollHeight, scrollTop } = this.#box;
    change();
    this.#box.scrollTop = scrollTop + this.#box.scrollHeight - scrollHeight;
  }

  /** Go to the end. */
  toEnd() {
    this.#stuck = true;
    this.#box.scrollTop = this.#box.scrollHeight;
    this.#count(0);
  }

  /** Go to an element, or to the end if what follows the element fits on the screen. */
  to(element) {
    this.toEnd();
    const above = element.getBoundingClientRect().top - this.#box.getBoundingClientRect().top;
    if (above < 0) this.#box.scrollTop += above - NEAR / 2;
    this.#moved();
  }

  /** Say what is near; fine to repeat. */
  look() {
    if (this.#box.scrollTop < EARLY) this.on.top();
    if (this.#stuck) this.on.end();
  }

  #moved() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    this.#stuck = scrollHeight - scrollTop - clientHeight < NEAR;
    this.#count(this.#stuck ? 0 : this.#below);
    this.look();
  }

  #count(below) {
    this.#below = below;
    this.#button.hidden = this.#stuck;
    at("below").hidden = below === 0;
    at("below").textContent = below;
  }
}
