"""The delivery page: a slow fetch with success and failure, which can be cancelled, and a throttled reload.

Rules:
    1. ``dispatch("delivery.ask", ...)`` says that it loads, ``dispatch_async`` does it; see ``views.delivery``.
    2. A question, and the wish to cancel it, have the same ``cancel_ref``: the later ends what the earlier started.
    3. Effects do not travel and do not move into another session. Where the state comes to say "loading" with nobody at
       work, the question is dropped, so that no page waits for ever.
"""

from collections.abc import Mapping
from typing import Any, Final

from phoenix_sessions import Action, Reducer, effect, on, throttle

from . import courier

CANCEL_REF: Final = "delivery"
RELOAD_EVERY: Final = "3s"

Delivery = Mapping[str, Any]


class DeliveryReducer(Reducer):
    """What the courier says: ``status`` is idle, loading, loaded, failed, cancelled or dropped."""

    name = "delivery"

    def init_state(self) -> Delivery:
        """Start with nothing asked."""
        return {"status": "idle", "town": "", "cents": 0, "error": "", "vans": (), "reloads": 0}

    @on("ask")
    def asked(self, action: Action, state: Delivery) -> Delivery:
        """Say that it loads."""
        return {**state, "status": "loading", "town": action.payload["town"]}

    @effect("ask")
    async def ask(self, action: Action, dispatch: Any, state: Delivery) -> None:
        """Ask the courier, and say by an action what came of it."""
        try:
            cents = await courier.quote(action.payload["town"])
        except courier.CourierError as error:  # no fault of ours: whatever else is raised goes to the log as well
            await dispatch(".ask.failed", {"error": "CourierError", "message": str(error)})
        else:
            await dispatch(".answered", {"town": action.payload["town"], "cents": cents})

    @on("answered")
    def answered(self, action: Action, state: Delivery) -> Delivery:
        """Keep the answer."""
        return {**state, **action.payload, "status": "loaded"}

    @on("ask.failed")
    def failed(self, action: Action, state: Delivery) -> Delivery:
        """Keep what went wrong."""
        return {**state, "status": "failed", "error": action.payload["message"]}

    @on("cancel")
    def cancel(self, action: Action, state: Delivery) -> Delivery:
        """Say that nobody waits any more."""
        return {**state, "status": "cancelled"} if state["status"] == "loading" else state

    @on("drop")
    def drop(self, action: Action, state: Delivery) -> Delivery:
        """Say that nobody is at work any more."""
        return {**state, "status": "dropped"} if state["status"] == "loading" else state

    @effect("reload")
    @throttle(RELOAD_EVERY)
    async def reload(self, action: Action, dispatch: Any, state: Delivery) -> None:
        """Look at the board, at most once in three seconds however often somebody asks."""
        await dispatch(".reloaded", await courier.departures(state["reloads"] + 1))

    @on("reloaded")
    def reloaded(self, action: Action, state: Delivery) -> Delivery:
        """Show the board."""
        return {**state, "vans": action.payload, "reloads": state["reloads"] + 1}
