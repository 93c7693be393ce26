from phoenix_sessions import Reducer, on


class CounterReducer(Reducer):
    name = "counter"

    def init_state(self):
        return {"count": 0}

    @on("add")
    def add(self, action, state):
        return {**state, "count": state["count"] + (action.payload or 1)}

    @on("fail")
    def fail(self, action, state):
        raise ValueError("as asked")

    @on("form")
    def form(self, action, state):
        return {**state, "count": state["count"] + action.payload.amount}
