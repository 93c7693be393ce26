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
