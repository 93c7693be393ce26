// The page's script: shows what the socket pushes, and lets forms dispatch instead of loading a page.
//
// Rules:
// 1. Everything works without it. It only replaces what the server rendered with newer values.
// 2. A form with `data-action` is dispatched when there is, or has been, a connection; under a server without sockets
//    it is posted. A form with `data-post` is for a view: it is sent without loading the page.
import { connect } from "../phoenix_sessions/session.js";
import { showConnection } from "./connection.js";
import { keepFacts } from "./facts.js";
import { post } from "./forms.js";
import { notify, clearNotices } from "./notices.js";
import { keepParts, refreshParts } from "./parts.js";

const session = connect(document.body.dataset.socket);
let live = false; // whether this server has sockets at all

session.addEventListener("connection", ({ detail }) => {
  live ||= detail.state === "open";
  showConnection(detail);
});
session.addEventListener("error", ({ detail }) => notify(detail.message));

session.on("count_changed", (count) => show("count", count));
session.on("size_changed", (size) => show("size", size));
session.on("total_changed", (total) => show("total", total));
session.on("typing_changed", ({ keystrokes }) => show("keystrokes", keystrokes));
session.on("search_changed", ({ searches }) => show("searches", searches));
session.on("lines_changed", showLines);
session.on("wishes_changed", (wishes) => {
  for (const element of document.querySelectorAll("[data-wish]")) {
    element.classList.toggle("wished", wishes.includes(element.dataset.wish));
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  const { action } = form.dataset;
  if (!live || !(action || "post" in form.dataset)) return;
  event.preventDefault();
  if (!action) return void post(form).then(refreshParts);
  const fields = Object.fromEntries(new FormData(form));
  delete fields.csrfmiddlewaretoken;
  act(action, Object.keys(fields).length > 0 ? fields : null);
});
document.addEventListener("input", ({ target }) => {
  if (target.dataset.typed && live) act(target.dataset.typed, { [target.name]: target.value });
});
for (const button of document.querySelectorAll("[data-refused]")) {
  button.addEventListener("click", () => act(button.dataset.refused, JSON.parse(button.dataset.payload ?? "null")));
}
for (const element of document.querySelectorAll("[data-script-only]")) element.hidden = false;
keepFacts(session);
keepParts(session);

/** Show a value wherever it stands on the page. */
function show(name, value) {
  for (const element of document.querySelectorAll(`[data-live="${name}"]`)) element.textContent = value;
}

/** Dispatch, and say what went wrong if something did. */
async function act(action, payload) {
  clearNotices();
  try {
    await session.dispatch(action, payload);
  } catch (error) {
    notify(`${error.message} (${error.code})`);
  }
}

/** Make the lines of the cart these, keeping the elements that are there, so that the focus stays where it is. */
function showLines(lines) {
  const list = document.querySelector("[data-lines]");
  if (!list) return;
  const kept = new Map([...list.children].map((element) => [element.dataset.sku, element]));
  const focused = document.activeElement;
  for (const line of lines) {
    const element = kept.get(line.sku) ?? newLine(line);
    kept.delete(line.sku);
    for (const field of element.querySelectorAll("[data-field]")) field.textContent = line[field.dataset.field];
    list.append(element);
  }
  for (const element of kept.values()) element.remove();
  if (list.contains(focused)) focused.focus();
  for (const element of document.querySelectorAll("[data-when]")) {
    element.hidden = (element.dataset.when === "empty") === lines.length > 0;
  }
}

/** Return a new line of the cart. */
function newLine({ sku, name }) {
  const element = document.querySelector("template[data-line]").content.firstElementChild.cloneNode(true);
  element.dataset.sku = sku;
  for (const input of element.querySelectorAll("[name=sku]")) input.value = sku;
  for (const button of element.querySelectorAll("button")) button.ariaLabel += name;
  const icon = element.querySelector("[data-icon]");
  icon.setAttribute("href", icon.getAttribute("href") + sku);
  return element;
}
