// The chat's HTTP API, asked as the page's visitor.
//
// Rules:
// 1. The token in the page is that of the visitor whom the page was made for. Once somebody else has logged in, in
//    another tab, it is refused: nothing is done in another's name.
// 2. What fails is an ApiError; `passing` says whether it is worth to try again.

const csrf = document.querySelector("[name=csrfmiddlewaretoken]").value;

export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
    this.passing = ["offline", "backpressure", "unavailable", "rate_limited"].includes(code);
  }
}

/** Ask, and return what was answered. */
export async function ask(method, url, body) {
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: { accept: "application/json", "content-type": "application/json", "x-csrftoken": csrf },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new ApiError("offline", "There is no connection just now.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const code = answer.error ?? (response.status >= 500 ? "unavailable" : "failed");
  throw new ApiError(code, sentence(answer.message ?? `The server answers ${response.status}.`));
}

/** Return a message of the server's as a sentence. */
export function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
