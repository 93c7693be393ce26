"""What the shop's sockets push and take."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.fragments import FragmentConsumerMixin

from . import selectors
from .actions import ACTIONS, EFFECTS, SHAPES


class ShopConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    """One open page."""

    subscriptions = {
        "count_changed": "counter.count",
        "lines_changed": selectors.lines,
        "size_changed": selectors.size,
        "total_changed": selectors.total,
        "wishes_changed": selectors.wishes,
        "search_changed": "search",
        "typing_changed": "typing",
        "delivery_changed": "delivery",
    }
    allowed_actions = list(ACTIONS)
    allowed_effects = list(EFFECTS)
    payload_schemas = SHAPES


class HtmxConsumer(FragmentConsumerMixin, AsyncJsonWebsocketConsumer):
    """One open htmx page: the cart, rendered here."""

    fragments = {
        "#basket": (selectors.basket, "shop/basket.html"),
        "#badge": (selectors.size, "shop/badge.html"),
    }
    error_target = "#trouble"
    allowed_actions = ["cart.add", "cart.take", "cart.remove", "cart.clear"]
    payload_schemas = SHAPES
    render_in_thread = False  # its templates use no ORM
