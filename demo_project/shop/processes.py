"""The three kinds of session that the shop has; all share the cart."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings

from phoenix_sessions import SessionProcess
from phoenix_sessions.store_middleware import Middleware, log_actions, validate_payloads

from .actions import SHAPES
from .delivery import DeliveryReducer
from .reducers import CartReducer, CounterReducer
from .search import SearchReducer, TypingReducer

PAGES: Final = [
    CounterReducer,
    SearchReducer,
    ("typing", TypingReducer, "search"),  # under this name, for actions "search.…" as well
    DeliveryReducer,
]
CHECKS: Final[list[Middleware]] = [
    *([log_actions(logging.INFO)] if settings.DEBUG else []),
    validate_payloads(SHAPES),
]


class GuestSession(SessionProcess):
    """A visitor; starts with the first page, by ``ensure_session_process`` (settings: SESSION_PROCESS, AUTO_START)."""

    reducers = [*PAGES, CartReducer]  # under its own name and prefix
    store_middleware = CHECKS


class UserSession(SessionProcess):
    """A customer who has logged in; started by the login view. The same cart, and a second one as the wish list."""

    reducers = [
        *PAGES,
        ("cart", CartReducer),  # under this name, which is the prefix too
        ("wishes", CartReducer, "wish"),  # under this name, for actions "wish.…"
    ]
    store_middleware = CHECKS

    def init_state(self, args: Any) -> Mapping[str, Any]:
        """Keep the customer's name beside the slices."""
        return {"customer": args["customer"]}


class AdminSession(UserSession):
    """A member of the staff who has logged in: a customer, too, who may see who is there (``views.staff``)."""

    def init_state(self, args: Any) -> Mapping[str, Any]:
        """Remember that this is the staff's."""
        return {**super().init_state(args), "staff": True}
