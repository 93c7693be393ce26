import msgspec
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.fragments import FragmentConsumerMixin


class AddMany(msgspec.Struct):
    amount: int


class CounterConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"count_changed": "counter.count"}
    allowed_actions = ["counter.add", "counter.fail"]


def wide(state):
    return f"{state.counter['count']:>2000}"


class WideConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    """Sends 2000 bytes for every change."""

    subscriptions = {"wide_changed": wide}


class AddForm(msgspec.Struct):
    amount: int


class FragmentConsumer(FragmentConsumerMixin, AsyncJsonWebsocketConsumer):
    """For a page with htmx 4."""

    fragments = {"#count": ("counter.count", "testsite/count.html")}
    allowed_actions = ["counter.fail", "counter.form"]
    payload_schemas = {"counter.form": AddForm}
    error_target = "#errors"


class Htmx2Consumer(FragmentConsumer):
    """For a page with htmx 2."""

    htmx = 2
