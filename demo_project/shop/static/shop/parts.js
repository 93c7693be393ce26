// Parts of a page that the server renders: loaded anew when the session says that what they show has changed.

/** Keep every element with `data-part`, the address of its content, current with the events in its `data-on`. */
export function keepParts(session) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const refresh = oneAtATime(() => load(part));
    for (const event of part.dataset.on.split(" ")) session.on(event, refresh);
    part.addEventListener("refresh", refresh);
    showTimes(part);
  }
}

/** Load all parts again, for changes that no event tells. */
export function refreshParts() {
  for (const part of document.querySelectorAll("[data-part]")) part.dispatchEvent(new Event("refresh"));
}

/** Return a function that runs `work`, and once more after it if it was called meanwhile. */
function oneAtATime(work) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      await work();
    }
    running = false;
  };
}

async function load(part) {
  let html;
  try {
    const response = await fetch(part.dataset.part, { headers: { accept: "text/html" } });
    if (!response.ok) return;
    html = await response.text();
  } catch {
    return; // No connection: the header says so, and the next event tries again.
  }
  const fresh = document.createElement("template");
  fresh.innerHTML = html; // our own server's, with everything escaped that people have typed
  showTimes(fresh.content);
  if (fresh.content.textContent === part.textContent) return; // do not pull a button from under a finger
  const key = part.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  part.replaceChildren(fresh.content);
  if (key !== undefined) part.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Show times as the visitor's clock does. */
function showTimes(part) {
  for (const time of part.querySelectorAll("time")) time.textContent = new Date(time.dateTime).toLocaleTimeString();
}
