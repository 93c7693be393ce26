"""The transactions of those who call: a view's of ATOMIC_REQUESTS, or ``transaction.atomic()``.

Rules:
    1. What a verb has done in one is told after its commit, and never if it is rolled back.
    2. They are those of the caller's thread: async twins run on threads of their own, and are in none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections
from django.db.transaction import non_atomic_requests, on_commit

from .conf import get_config

View = TypeVar("View", bound=Callable[..., Any])


def in_transaction() -> bool:
    """Return whether the caller is in a transaction of the chat's database."""
    return bool(connections[get_config().database].in_atomic_block)


def after_commit(tell: Callable[[], None]) -> None:
    """Call a function once the caller's transaction is committed; at once if there is none."""
    on_commit(tell, using=get_config().database)


def outside_transactions(view: View) -> View:
    """Have Django begin no transaction for a view, in none of the databases.

    Async views may not be in a transaction, and others would hold what they change until they are through.
    """
    for alias in connections:
        view = non_atomic_requests(using=alias)(view)
    return view
