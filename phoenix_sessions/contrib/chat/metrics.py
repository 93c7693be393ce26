"""What this worker does, for Prometheus.

Rules:
    1. The numbers are this OS process's own, since it began: each worker is a target of its own.
    2. The page is for administrators, and for tokens with ``metrics`` among the words of their ``scope``. A site that
       shows it elsewhere, such as to its own network, makes a view of ``exposition()``.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from django.http import HttpRequest, HttpResponse

from .api.answers import refused, unauthenticated
from .api.callers import let_in
from .auth import Unauthenticated
from .errors import ChatError
from .gateway import gateway

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


async def show_metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the numbers."""
    try:
        caller = await let_in(request)
    except Unauthenticated as error:
        return unauthenticated(error)
    except ChatError as error:
        return refused(error)
    if not caller.admin and "metrics" not in caller.scopes:
        return refused(ChatError("forbidden", "only administrators, and tokens with the scope metrics, may do this"))
    response = HttpResponse(exposition(), content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    return response


def exposition() -> str:
    """Return the numbers as Prometheus reads them."""
    counts = gateway.counters.now()
    refusals = {f'{{code="{code}"}}': count for code, count in counts.refusals.items()}
    return "".join(
        [
            *_metric("appends_total", "counter", "Messages that were stored.", {"": counts.appends}),
            *_metric("repeats_total", "counter", "Messages that had been stored before.", {"": counts.repeats}),
            *_metric("refusals_total", "counter", "Requests and frames that were refused, by code.", refusals),
            *_metric("queue_length", "gauge", "Appends that wait or are being stored.", {"": gateway.waiting}),
            *_metric("draining", "gauge", "Whether this worker is stopping.", {"": int(gateway.draining)}),
        ]
    )


def _metric(name: str, kind: str, help: str, values: Mapping[str, int]) -> Iterable[str]:
    full = f"phoenix_chat_{name}"
    yield f"# HELP {full} {help}\n# TYPE {full} {kind}\n"
    for labels, value in values.items():
        yield f"{full}{labels} {value}\n"
