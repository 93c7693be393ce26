"""What the sessions of the site hold."""

from phoenix_sessions import Reducer, on

from . import numbers


class LedgerReducer(Reducer):
    """Counts, and keeps which increments it was: those of each writer are numbered from 1."""

    name = "ledger"

    def init_state(self):
        return {"count": 0, "doubled": 0, "seen": {}}

    @on("add")
    def add(self, action, state):
        writer, number = action.payload["writer"], action.payload["number"]
        seen = state["seen"].get(writer, [])
        return {
            "count": state["count"] + 1,
            "doubled": state["doubled"] + numbers.holds(seen, number),
            "seen": {**state["seen"], writer: numbers.with_number(seen, number)},
        }


class NotesReducer(Reducer):
    """Keeps notes in order."""

    name = "notes"

    def init_state(self):
        return {"notes": []}

    @on("add")
    def add(self, action, state):
        return {"notes": [*state["notes"], action.payload][-20:]}
