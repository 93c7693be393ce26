// The facts about the session, fetched anew when something happened and every few seconds.

const EVERY = 3000; // milliseconds

/** Keep the list of facts on this page current, if there is one. */
export function keepFacts(session) {
  const list = document.querySelector("[data-facts]");
  if (!list) return;
  const refresh = async () => {
    if (document.visibilityState === "hidden" || session.state === "closed") return;
    try {
      const response = await fetch(list.dataset.facts, { headers: { accept: "application/json" } });
      if (response.ok) show(list, await response.json());
    } catch {
      // No connection: the header says so, and the next round tries again.
    }
  };
  setInterval(refresh, EVERY);
  for (const event of ["count_changed", "lines_changed", "wishes_changed"]) session.on(event, refresh);
}

function show(list, facts) {
  for (const element of list.querySelectorAll("[data-fact]")) {
    const text = String(facts[element.dataset.fact]);
    if (element.textContent !== text) element.textContent = text;
  }
}
