// A socket of the chat that comes back by itself.
//
// Rules:
// 1. A frame is acknowledged once it was handled.
// 2. After a loss it waits a random time, up to 0.5 s and twice as long after each attempt in vain, up to 30 s; it comes
//    back at once when the server asks for that (4012), and when the browser is online again.
// 3. 4401 and 4403 are final: somebody else is logged in now, or may not see this.

const FINAL = new Set([4401, 4403]);
const AT_ONCE = 4012;

export class Socket {
  #path;
  #on;
  #socket;
  #timer;
  #pause = 500;
  #over = false;

  /**
   * Connect.
   *
   * @param path The address on this host.
   * @param on What to call: `opened()`, `frame(frame)`, `lost()` whenever there is no connection, `ended(code)`.
   */
  constructor(path, on) {
    this.#path = path;
    this.#on = on;
    addEventListener("online", this.#hurry);
    this.#connect();
  }

  /** Send a frame, and return whether there is a connection. */
  say(frame) {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  /** Close for good. */
  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.#hurry);
    this.#socket.close();
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = (this.#socket = new WebSocket(`${scheme}://${location.host}${this.#path}`));
    socket.onopen = () => this.#over || this.#on.opened?.();
    socket.onmessage = ({ data }) => this.#over || this.#take(JSON.parse(data));
    socket.onclose = ({ code }) => this.#over || this.#lose(code);
  }

  #take(frame) {
    this.#pause = 500;
    this.#on.frame(frame);
    this.say({ type: "ack", ack: frame.frame });
  }

  #lose(code) {
    this.#on.lost();
    if (FINAL.has(code)) {
      this.close();
      this.#on.ended(code);
      return;
    }
    this.#timer = setTimeout(() => this.#connect(), code === AT_ONCE ? 0 : Math.random() * this.#pause);
    this.#pause = Math.min(2 * this.#pause, 30_000);
  }

  #hurry = () => {
    if (this.#socket.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.#timer);
    this.#connect();
  };
}
