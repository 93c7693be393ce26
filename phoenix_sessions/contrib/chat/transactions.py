"""Views outside of transactions, on sites with ATOMIC_REQUESTS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections
from django.db.transaction import non_atomic_requests

View = TypeVar("View", bound=Callable[..., Any])


def outside_transactions(view: View) -> View:
    """Have Django begin no transaction for a view, in none of the databases.

    What the gateway tells must be committed, and async views may not be in a transaction at all.
    """
    for alias in connections:
        view = non_atomic_requests(using=alias)(view)
    return view
