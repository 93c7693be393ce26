// Sends what waits in the outbox for the open conversation.
//
// Rules:
// 1. One at a time: the next is sent when the server has answered, so what comes back later keeps its order.
// 2. Without an answer, and when the server says to come again later, the same message is sent again.
// 3. What the server refuses stays, marked, until its writer tries again or discards it.

const PATIENCE = 10_000;

export class Sender {
  #outbox;
  #conversation;
  #say;
  #sent = null;
  #timer;

  /**
   * Begin; nothing is sent before `go`.
   *
   * @param outbox Where the messages are.
   * @param conversation Whose.
   * @param say Sends a frame, and returns whether there is a connection.
   */
  constructor(outbox, conversation, say) {
    this.#outbox = outbox;
    this.#conversation = conversation;
    this.#say = say;
  }

  /** Send the next one, if none is on its way. */
  go() {
    if (this.#sent !== null) return;
    const next = this.#outbox.of(this.#conversation).find(({ wrong }) => !wrong);
    if (!next) return;
    const { client_id, text } = next;
    if (!this.#say({ type: "send", client_id, content: { text } })) return;
    this.#sent = client_id;
    this.#timer = setTimeout(() => this.again(0), PATIENCE);
  }

  /** Forget that something is on its way, and send again after a while (milliseconds). */
  again(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#sent = null;
      this.go();
    }, wait);
  }

  /** Go on: the server has answered. */
  answered(clientId) {
    if (clientId !== this.#sent) return;
    this.lost();
    this.go();
  }

  /** Forget what is on its way: there is no connection. */
  lost() {
    clearTimeout(this.#timer);
    this.#sent = null;
  }
}
