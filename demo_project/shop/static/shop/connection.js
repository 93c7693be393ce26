// The state of the connection, in the header.

const pill = document.querySelector("[data-connection]");
const word = pill.querySelector("[data-connection-word]");
const wait = pill.querySelector("[data-connection-wait]");
const ended = document.querySelector("[data-ended]");
const WORDS = { connecting: "connecting", open: "live", waiting: "reconnecting", closed: "ended" };
const WHY = { 4401: ": you have logged out", 4404: ": it was idle for too long, or was closed" };
let countdown;

/** Show what a "connection" event of the session tells. */
export function showConnection({ state, code, retryIn }) {
  clearInterval(countdown);
  pill.hidden = false;
  pill.dataset.connection = state;
  if (word.textContent !== WORDS[state]) word.textContent = WORDS[state]; // said aloud only when it changes
  wait.textContent = "";
  if (state === "waiting") countDown(Date.now() + retryIn * 1000);
  if (state === "closed") {
    ended.hidden = false;
    ended.querySelector("[data-ended-why]").textContent = WHY[code] ?? "";
  }
}

function countDown(end) {
  const show = () => {
    wait.textContent = `in ${Math.max(0, Math.ceil((end - Date.now()) / 1000))} s`;
  };
  show();
  countdown = setInterval(show, 250);
}
