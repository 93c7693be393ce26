// What is said at the edge of the page: the connection, a notice, and new messages for those who listen.

import { at } from "./dom.js";

const TIME = 6000;
const WORDS = { open: "", lost: "No connection. What you write is sent when it is back.", closed: "" };
const strip = document.querySelector("[data-connection]");
let timer;

/** Show the state of the connection: "open", "lost", or "closed" with the reason. */
export function showConnection(state, why = WORDS[state]) {
  strip.dataset.connection = state;
  if (strip.textContent !== why) strip.textContent = why; // said aloud only when it changes
  strip.hidden = !why;
}

/** Show a notice for a while. */
export function notice(text) {
  clearTimeout(timer);
  at("toast").textContent = text;
  at("toast").hidden = false;
  timer = setTimeout(() => (at("toast").hidden = true), TIME);
}

/** Have a new message read out. */
export function speak(text) {
  at("spoken").textContent = text;
}
