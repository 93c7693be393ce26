// The page's elements, and copies of its templates. What people have written is put in as text, never as HTML.

/** Return the element with this id. */
export const at = (id) => document.getElementById(id);

/** Return a new element, a copy of the template's. */
export function part(name) {
  return at(`${name}-part`).content.firstElementChild.cloneNode(true);
}

/** Show an element with a text, or hide it without one. */
export function say(element, text) {
  element.hidden = !text;
  element.textContent = text ?? "";
}

/** Return the number of somebody's colour, always the same. */
export function tone(id) {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return (sum % 8) + 1;
}

/** Show somebody's initial in that colour. */
export function paint(avatar, id, name) {
  avatar.dataset.tone = tone(id);
  avatar.textContent = [...name.trim()][0]?.toUpperCase() ?? "?";
}
