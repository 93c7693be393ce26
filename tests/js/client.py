"""A page's session, seen from a test.

Rules:
    1. The page keeps what it learns (``told``, ``states``, ``answers``), so that a test can wait for it and look later.
"""

from __future__ import annotations

from typing import Any, Final

from .runtime import Runtime
from .server import ScriptedServer

START: Final = """
    const [module, url, options] = arguments;
    const { connect } = await import(module);
    globalThis.connect = connect;
    globalThis.session = connect(url, options);
    globalThis.told = [];      // values that the listener of "count" got
    globalThis.states = [];    // details of "connection" events
    globalThis.answers = [];   // what became of each dispatch
    globalThis.dispatch = (action, payload) => {
        const index = answers.push(null) - 1;
        session.dispatch(action, payload).then(
            (answer) => (answers[index] = answer),
            ({ code, message, retryAfter = null }) => (answers[index] = { code, message, retryAfter }));
    };
    session.on("count", (value) => told.push(value));
    session.addEventListener("connection", (event) => states.push(event.detail));
"""
UNTIL: Final = """
    const deadline = Date.now() + 20_000;
    while (!(%s)) {
        if (Date.now() > deadline) throw new Error(`not within 20 s: ${JSON.stringify({ told, states, answers })}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { told, states, answers, state: session.state };
"""
QUICK: Final = {"base": 0.001, "cap": 0.002}
"""Options for a client that comes back at once."""


class Client:
    """A page's session, seen from the test."""

    def __init__(self, runtime: Runtime, server: ScriptedServer, **options: float) -> None:
        self.run = runtime.run
        runtime.run(START, runtime.module, f"{server.url}ws/", options)

    def until(self, condition: str) -> dict[str, Any]:
        """Wait until the condition holds in the page, and return all that the page knows."""
        seen: dict[str, Any] = self.run(UNTIL % condition)
        return seen

    def dispatch(self, action: str, payload: Any = None) -> None:
        """Dispatch without waiting for what becomes of it."""
        self.run("dispatch(...arguments)", action, payload)
