// An answer while an agent is writing it.
//
// Rules:
// 1. It is not stored: the message follows, and takes its place.
// 2. Who has come in the middle misses the beginning, and is shown that.
// 3. If nothing more comes for 30 s, it is over.

const PATIENCE = 30_000;

export class Stream {
  #next = 0;
  #text = "";
  #timer;

  /**
   * Begin.
   *
   * @param id Which answer.
   * @param bubble Where it is shown.
   */
  constructor(id, bubble) {
    this.id = id;
    this.bubble = bubble;
    bubble.element.classList.add("stream");
  }

  /** Add a part at its place. */
  add(index, text) {
    if (index < this.#next) return;
    this.#text += (index > this.#next ? "… " : "") + text;
    this.#next = index + 1;
    this.bubble.change({ ...this.bubble.message, content: { text: this.#text } });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.end(), PATIENCE);
  }

  /** Take it off the page. */
  end() {
    clearTimeout(this.#timer);
    this.bubble.element.remove();
  }
}
