// What went wrong, said at the top of the page.

const notices = document.querySelector("[data-notices]");
const MOST = 3;

/** Add a notice. */
export function notify(text) {
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.textContent = text;
  notices.append(notice);
  while (notices.children.length > MOST) notices.firstElementChild.remove();
}

/** Take all notices away. */
export function clearNotices() {
  notices.replaceChildren();
}
