"""Async twins of sync verbs.

Rules:
    1. A twin takes and returns what its verb does, and runs it on a thread, so that it holds up no event loop.
    2. Who is cancelled waits no more; the verb itself goes on to its end.
    3. A thread's connections are closed as Django does it after a request: CONN_MAX_AGE says how long they are kept.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def twin(verb: Callable[Arguments, Result]) -> Callable[Arguments, Coroutine[Any, Any, Result]]:
    """Return the async twin of a verb."""

    @functools.wraps(verb)
    async def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        result: Result = await in_thread(*args, **kwargs)
        return result

    @functools.wraps(verb)
    def and_close(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return verb(*args, **kwargs)
        finally:
            close_old_connections()

    in_thread = sync_to_async(and_close, thread_sensitive=False)
    run.__doc__ = f"Async twin of ``{verb.__name__}``."
    return run
