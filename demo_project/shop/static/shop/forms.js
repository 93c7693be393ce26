// Forms for views, sent without loading the page.
import { notify, clearNotices } from "./notices.js";

/** Send a form to its view, and say what went wrong if something did. */
export async function post(form) {
  clearNotices();
  try {
    const response = await fetch(form.getAttribute("action"), {
      method: "POST",
      body: new FormData(form),
      headers: { accept: "text/plain" },
    });
    if (!response.ok) notify(await response.text());
  } catch {
    notify("The server cannot be reached. Please try again.");
  }
}
