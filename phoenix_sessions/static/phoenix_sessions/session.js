/**
 * A live session in the page: values come in as they change, actions go out and are answered.
 *
 *     import { connect } from "/static/phoenix_sessions/session.js";
 *     const session = connect("/ws/shop/");
 *     const off = session.on("count_changed", (count) => { output.textContent = count; });
 *     await session.dispatch("counter.increment");
 *     session.addEventListener("connection", (event) => show(event.detail));
 *
 * Rules:
 * 1. One socket at a time. When it is lost, another is opened after a random wait, and the server is told the last
 *    epoch and version, so that it sends only what was missed.
 * 2. The last value of every event is kept; a listener gets it at once, and again whenever the server sends one.
 * 3. A dispatch made without a connection waits for one. A dispatch that was sent is never sent again: if its answer
 *    is lost, its promise is rejected with "disconnected", since it may or may not have been applied.
 * 4. Close codes 4401 (no session, or logged out) and 4404 (not started, expired or ended) are final. But right after a
 *    4012 they are tried again: it may come from a login in another tab, whose new cookie is still on its way.
 * 5. An element of the page with data-session-epoch and data-session-version says where its first paint stands, so that
 *    the first frame has only what changed since.
 * 6. What frames say is written down in docs/reference/browser-protocol.md.
 */

const FINAL = new Set([4401, 4404]); // no other attempt would end differently
const RESTART = 4012; // come back now: the session has moved to another id, or may have, or the server is being stopped
const RESTART_JITTER = 0.25; // seconds
const RESTART_ATTEMPTS = 5; // in which the new cookie must have come
const LOST = 1006; // what a browser reports for a connection that was lost without a word
const MAX_WAITING = 100; // dispatches without a connection

/**
 * What a "connection" event tells in its `detail`.
 * @typedef {object} Connection
 * @property {"connecting" | "open" | "waiting" | "closed"} state open: values are current; waiting: between two
 *   attempts; closed: for good.
 * @property {number | null} code Close code of the socket that was lost.
 * @property {string} reason The server's own words, often empty.
 * @property {number | null} retryIn Seconds until the next attempt, while waiting.
 */

/**
 * Why a dispatch was not done: `code` is the server's (bad_frame, not_allowed, invalid_payload, action_failed, busy,
 * not_started: only its effect was not, in_doubt and engine_failed: it may have been applied, rate_limited and
 * unavailable with `retryAfter` in seconds), or disconnected (sent, answer lost), timeout, closed, or busy (100 wait).
 */
export class DispatchError extends Error {
  constructor(code, message, retryAfter) {
    super(message);
    Object.assign(this, { name: "DispatchError", code, retryAfter });
  }
}

/**
 * Connect to a session consumer and stay connected.
 * @param {string | URL} url Path or address of the consumer; http(s) becomes ws(s).
 * @param {{base?: number, cap?: number, timeout?: number}} [options] Seconds: the longest wait before the first new
 *   attempt, which doubles with each (0.5); the longest wait of all (30); how long an answer is waited for (10).
 * @returns {Session}
 */
export function connect(url, options) {
  return new Session(url, options);
}

/** Fires "connection", and "error" with a `DispatchError` in its `detail` for what was refused beside dispatches. */
export class Session extends EventTarget {
  #state = "connecting";
  #socket = null;
  #timer; // of the next attempt, or of the connection's first state
  #attempt = 0; // connections in vain since the last good one
  #moved = false; // whether the last good one ended with 4012
  #epoch = null; // these two say what the values are from
  #version = null;
  #values = new Map(); // event -> last value
  #listeners = new Map(); // event -> functions
  #waiting = new Map(); // ref -> dispatch not sent yet
  #sent = new Map(); // ref -> dispatch not answered yet
  #lastRef = 0;
  #over = new AbortController();
  #heard = 0; // frames received, over all connections
  #url;
  #options;

  constructor(url, options) {
    super();
    this.#options = { base: 0.5, cap: 30, timeout: 10, ...options };
    const painted = globalThis.document?.querySelector("[data-session-epoch]")?.dataset;
    if (painted) {
      this.#epoch = Number(painted.sessionEpoch);
      this.#version = Number(painted.sessionVersion);
    }
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    const { signal } = this.#over;
    globalThis.addEventListener?.("online", () => this.#hurry(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => this.#hurry(), { signal });
    this.#open();
  }

  /** @type {Connection["state"]} */
  get state() { return this.#state; }

  /**
   * Call `listener` with the last value of `event`, if there is one, and with each one that comes.
   * @param {string} event A key of the consumer's `subscriptions`.
   * @param {(value: any) => void} listener
   * @returns {() => void} Ends it.
   */
  on(event, listener) {
    const entry = { listener };
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), entry]);
    if (this.#values.has(event)) call(listener, this.#values.get(event));
    return () => void this.#listeners.set(event, this.#listeners.get(event).filter((other) => other !== entry));
  }

  /**
   * Send an action; the promise is kept once it was applied and the values that it changed have come.
   * @param {string} action Its type, for instance "cart.add".
   * @param {unknown} [payload] Anything that JSON can say.
   * @returns {Promise<{version: number}>} Rejected with a `DispatchError`.
   */
  dispatch(action, payload = null) {
    return new Promise((resolve, reject) => {
      if (this.#state === "closed") throw new DispatchError("closed", "The session has ended; nothing was done.");
      if (this.#waiting.size >= MAX_WAITING) throw new DispatchError("busy", "Too many wait; nothing was done.");
      const ref = ++this.#lastRef;
      const frame = JSON.stringify({ type: "dispatch", ref, action, payload });
      const timer = setTimeout(() => this.#expire(ref), this.#options.timeout * 1000);
      this.#waiting.set(ref, { frame, resolve, reject, timer, heard: this.#heard });
      if (this.#state === "open") this.#flush();
    });
  }

  /** Close for good. A page that goes away need not. */
  close() {
    if (this.#state === "closed") return;
    this.#socket?.close(1000);
    this.#end(1000, "");
  }

  #open() {
    const url = new URL(this.#url);
    if (this.#epoch !== null) {
      url.searchParams.set("epoch", this.#epoch);
      url.searchParams.set("version", this.#version);
    }
    const socket = (this.#socket = new WebSocket(url));
    socket.onmessage = (event) => socket === this.#socket && this.#receive(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.#socket && this.#lose(event.code, event.reason);
    this.#next(() => this.#drop("no answer to the connection"), this.#options.timeout);
    this.#become("connecting");
  }

  #receive(frame) {
    this.#heard += 1;
    if (frame.type === "state") this.#show(frame);
    else if (frame.type === "ok") this.#settle(frame.ref)?.resolve({ version: frame.version });
    else if (frame.type === "error") this.#refuse(frame);
    this.#socket?.send(JSON.stringify({ type: "ack", seq: frame.seq }));
  }

  #show({ epoch, version, changes }) {
    if (epoch !== this.#epoch) this.#values.clear(); // another life, told in full
    this.#epoch = epoch;
    this.#version = version;
    for (const event in changes) this.#values.set(event, changes[event]);
    if (this.#state === "connecting") {
      clearTimeout(this.#timer);
      this.#attempt = 0;
      this.#moved = false;
      this.#become("open");
      this.#flush();
    }
    for (const event in changes) {
      for (const { listener } of this.#listeners.get(event) ?? []) call(listener, changes[event]);
    }
  }

  #refuse({ ref, code, message, retry_after: retryAfter }) {
    const error = new DispatchError(code, message, retryAfter);
    if (ref === null) this.dispatchEvent(new CustomEvent("error", { detail: error }));
    else this.#settle(ref)?.reject(error);
  }

  #flush() {
    for (const [ref, dispatch] of this.#waiting) {
      this.#socket?.send(dispatch.frame);
      this.#sent.set(ref, dispatch);
    }
    this.#waiting.clear();
  }

  /** Return the dispatch that waits for this answer, which it now has. */
  #settle(ref) {
    const dispatch = this.#sent.get(ref) ?? this.#waiting.get(ref);
    this.#sent.delete(ref);
    this.#waiting.delete(ref);
    clearTimeout(dispatch?.timer);
    return dispatch;
  }

  /** No answer in time. If nothing at all came since, the connection is taken for dead: pages cannot send pings. */
  #expire(ref) {
    const sent = this.#sent.has(ref);
    const dispatch = this.#settle(ref);
    const message = sent ? "No answer; it may or may not have been done." : "No connection; nothing was done.";
    dispatch.reject(new DispatchError("timeout", message));
    if (sent && this.#heard === dispatch.heard) this.#drop("no answer to a dispatch");
  }

  /** The browser says that an attempt is worth making now. */
  #hurry() {
    if (this.#state === "waiting" && globalThis.document?.visibilityState !== "hidden") this.#open();
  }

  #next(step, seconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(step, seconds * 1000);
  }

  #drop(reason) {
    this.#socket?.close();
    this.#lose(LOST, reason);
  }

  #lose(code, reason) {
    this.#socket = null;
    if (FINAL.has(code) && !(this.#moved && this.#attempt < RESTART_ATTEMPTS)) return this.#end(code, reason);
    const { base, cap } = this.#options;
    const soon = code === RESTART && this.#attempt === 0;
    this.#moved ||= soon;
    const retryIn = Math.random() * (soon ? RESTART_JITTER : Math.min(cap, base * 2 ** this.#attempt)); // full jitter
    this.#attempt += 1;
    this.#next(() => this.#open(), retryIn);
    this.#become("waiting", code, reason, retryIn);
    this.#abandon(this.#sent, "disconnected", "The connection was lost; it may or may not have been done.");
  }

  #end(code, reason) {
    this.#socket = null;
    clearTimeout(this.#timer);
    this.#over.abort();
    this.#become("closed", code, reason);
    this.#abandon(this.#sent, "disconnected", "The session has ended; it may or may not have been done.");
    this.#abandon(this.#waiting, "closed", "The session has ended; nothing was done.");
  }

  #abandon(dispatches, code, message) {
    for (const ref of dispatches.keys()) this.#settle(ref).reject(new DispatchError(code, message));
  }

  #become(state, code = null, reason = "", retryIn = null) {
    this.#state = state;
    this.dispatchEvent(new CustomEvent("connection", { detail: { state, code, reason, retryIn } }));
  }
}

/** Call a listener; what it throws is reported, and does not keep others from being called. */
function call(listener, value) {
  try {
    listener(value);
  } catch (error) {
    (globalThis.reportError ?? console.error)(error);
  }
}
