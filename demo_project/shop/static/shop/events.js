// The script of the page with server-sent events: a plain EventSource, which comes back by itself with the last id.
import { showConnection } from "./connection.js";
import { post } from "./forms.js";

const AGAIN = 3; // seconds until a new stream, where the browser has given up
let live = false; // whether this server has streams at all

function listen() {
  const events = new EventSource(document.body.dataset.stream);
  events.onopen = () => {
    live = true;
    showConnection({ state: "open" });
  };
  events.onmessage = ({ data }) => {
    for (const [name, value] of Object.entries(JSON.parse(data).changes)) {
      for (const element of document.querySelectorAll(`[data-live="${name}"]`)) element.textContent = value;
    }
  };
  events.addEventListener("end", ({ data }) => {
    events.close();
    showConnection({ state: "closed", code: JSON.parse(data).code });
  });
  events.onerror = () => {
    if (!live) return;
    const gaveUp = events.readyState === EventSource.CLOSED;
    showConnection(gaveUp ? { state: "waiting", retryIn: AGAIN } : { state: "connecting" });
    if (gaveUp) setTimeout(listen, AGAIN * 1000);
  };
}

document.addEventListener("submit", (event) => {
  if (!live || !("post" in event.target.dataset)) return;
  event.preventDefault();
  post(event.target);
});
listen();
