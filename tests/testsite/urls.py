import asyncio

from django.contrib.auth import aauthenticate, alogin, authenticate, login, logout
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import include, path

from phoenix_sessions import sessions
from phoenix_sessions.views import SessionEventStream


def untouched(request):
    return HttpResponse("ok")


def add(request):
    version = request.session_process.dispatch("counter.add")
    return JsonResponse({"version": version, "id": str(request.session_id)})


async def async_add(request):
    ref = await request.asession_process()
    return JsonResponse({"version": await ref.adispatch("counter.add"), "id": ref.id})


def log_in(request):
    login(request, authenticate(request, username=request.GET["name"], password="secret"))
    return JsonResponse({"id": str(request.session_id), "count": request.session_process.get_state("counter.count")})


async def async_log_in(request):
    await alogin(request, await aauthenticate(request, username=request.GET["name"], password="secret"))
    ref = await request.asession_process()
    return JsonResponse({"id": ref.id, "count": await ref.aget_state("counter.count")})


def enter(request):
    """Log in and use no session."""
    login(request, authenticate(request, username=request.GET["name"], password="secret"))
    return HttpResponse("welcome")


async def async_enter(request):
    await alogin(request, await aauthenticate(request, username=request.GET["name"], password="secret"))
    return HttpResponse("welcome")


def log_out(request):
    logout(request)
    return HttpResponse("bye")


async def async_log_out(request):
    await request.session.aflush()
    return HttpResponse("bye")


def started(request, id):
    return JsonResponse({"started": sessions.started(id)})


def subscribers(request):
    return JsonResponse({"subscribers": sessions.session_stats().subscribers})


def hang(request):
    request.session_process.cast("hang")
    return HttpResponse("busy")


def dispatch_many(request, count):
    ref = request.session_process
    for _ in range(count):
        ref.dispatch("counter.add")
    return JsonResponse({"count": ref.get_state("counter.count")})


async def async_dispatch_many(request, count):
    ref = await request.asession_process()
    for _ in range(count):
        await ref.adispatch("counter.add")
        await asyncio.sleep(0)  # every socket has its turn after every dispatch
    return JsonResponse({"count": await ref.aget_state("counter.count")})


class CountEvents(SessionEventStream):
    subscriptions = {"count_changed": "counter.count"}


class WideEvents(SessionEventStream):
    """Sends 20,000 bytes for every change, and ends after 200,000."""

    subscriptions = {"wide_changed": lambda state: f"{state.counter['count']:>20000}"}
    max_stream_bytes = 200_000


def live_page(request, kind):
    request.session_process.touch()
    return render(request, f"testsite/{kind}.html")


urlpatterns = [
    path("chat/", include("phoenix_sessions.contrib.chat.urls")),
    path("pages/<str:kind>", live_page),
    path("wide-events", WideEvents.as_view()),
    path("events", CountEvents.as_view()),
    path("untouched", untouched),
    path("add", add),
    path("async-add", async_add),
    path("log-in", log_in),
    path("async-log-in", async_log_in),
    path("enter", enter),
    path("async-enter", async_enter),
    path("log-out", log_out),
    path("async-log-out", async_log_out),
    path("started/<str:id>", started),
    path("subscribers", subscribers),
    path("hang", hang),
    path("dispatch/<int:count>", dispatch_many),
    path("async-dispatch/<int:count>", async_dispatch_many),
]
