"""The views: errors are the package's business, so none is caught here."""

import json
import os

from django.http import JsonResponse
from django.shortcuts import render
from django.urls import path

from phoenix_sessions import SessionNotFound, sessions

from .processes import OwnedProcess

PID = os.getpid()


def process_of(id):
    return OwnedProcess if id.startswith("owned") else None


def alive(request):
    return JsonResponse({"worker": PID})


def dispatch(request, id):
    action = json.loads(request.body)
    ref = sessions.get_or_start(id, process_of(id))
    version = ref.dispatch(action["type"], action["payload"], meta={"id": action["id"]})
    return JsonResponse({"version": version, "epoch": ref.epoch, "worker": PID})


async def adispatch(request, id):
    action = json.loads(request.body)
    ref = await sessions.aget_or_start(id, process_of(id))
    version = await ref.adispatch(action["type"], action["payload"], meta={"id": action["id"]})
    return JsonResponse({"version": version, "epoch": ref.epoch, "worker": PID})


def start(request):
    """Start each session that was asked for."""
    for id in json.loads(request.body):
        sessions.get_or_start(id, process_of(id))
    return JsonResponse({"worker": PID})


def terminate(request, id):
    sessions.terminate(id)
    return JsonResponse({"worker": PID})


def ledgers(request):
    """Say what each session that was asked for holds; null if there is none."""
    return JsonResponse({id: ledger(id) for id in json.loads(request.body)})


def ledger(id):
    try:
        return sessions.find_session(id).get_state("ledger")
    except SessionNotFound:
        return None


def subscribers(request):
    return JsonResponse({"subscribers": sessions.session_stats().subscribers})


def page(request):
    return render(request, "page.html", {"session": request.session_process})


urlpatterns = [
    path("alive", alive),
    path("dispatch/<str:id>", dispatch),
    path("adispatch/<str:id>", adispatch),
    path("start", start),
    path("terminate/<str:id>", terminate),
    path("ledgers", ledgers),
    path("subscribers", subscribers),
    path("page/", page),
]
