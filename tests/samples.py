"""The smallest reducer and processes, for tests that want nothing particular of them."""

from phoenix_sessions import NoReply, Reducer, Reply, SessionProcess, on


class Count(Reducer):
    """Counts; its slice is a bare int."""

    name = "count"

    def init_state(self):
        return 0

    @on("add")
    def add(self, action, state):
        return state + 1

    @on("fail")
    def fail(self, action, state):
        raise ValueError("as asked")


class CountPair(Reducer):
    """Two counters, of which each action changes one; "empty" takes both away."""

    name = "count"

    def init_state(self):
        return {"value": 0, "other": 0}

    @on("add")
    def add(self, action, state):
        return {**state, "value": state["value"] + 1}

    @on("other")
    def other(self, action, state):
        return {**state, "other": state["other"] + 1}

    @on("empty")
    def empty(self, action, state):
        return {}


class Room(SessionProcess):
    """Counts, and knows what every process does."""

    reducers = [Count]


class EchoRoom(Room):
    """Answers with the request, but for "crash", and takes any cast."""

    def handle_call(self, request, state):
        if request == "crash":
            raise ValueError("as asked")
        return Reply(request)

    def handle_cast(self, request, state):
        return NoReply()
