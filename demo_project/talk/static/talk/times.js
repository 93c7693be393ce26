// When something was, as the visitor's clock and calendar say it.

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const DATE = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const SHORT = new Intl.DateTimeFormat(undefined, { day: "2-digit", month: "2-digit", year: "2-digit" });

/** Return the time of day, such as "14:05". */
export const clock = (iso) => CLOCK.format(new Date(iso));

/** Return the day in words: "Today", "Yesterday", "Monday", "31 January 2026". */
export function day(iso) {
  const ago = daysAgo(iso);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  return (ago < 7 ? WEEKDAY : DATE).format(new Date(iso));
}

/** Return it in short, for a list: the time today, the day before. */
export function brief(iso) {
  const ago = daysAgo(iso);
  if (ago === 0) return clock(iso);
  return ago < 7 ? day(iso) : SHORT.format(new Date(iso));
}

/** Return whether two moments are on the same day. */
export const sameDay = (one, other) => midnight(one) === midnight(other);

function daysAgo(iso) {
  return Math.round((midnight(Date.now()) - midnight(iso)) / 86_400_000);
}

function midnight(moment) {
  return new Date(moment).setHours(0, 0, 0, 0);
}
