"""The examples of the original's README and guide, as one would write them here."""

import asyncio

import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.shortcuts import redirect
from django.urls import path
from doors.sockets import connected, dispatch

from phoenix_sessions import (
    NoReply,
    Reducer,
    Reply,
    SessionProcess,
    create_selector,
    debounce,
    effect,
    on,
    sessions,
    throttle,
)
from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.testing import receive_change

# -- reducers that are written once, and used by every type of session -------------------------------------------------


class CounterReducer(Reducer):
    name = "counter"

    def init_state(self):
        return {"count": 0}

    def handle_action(self, action, state):
        match action.type:
            case "increment":
                return {**state, "count": state["count"] + 1}
            case "decrement":
                return {**state, "count": state["count"] - 1}
            case "set":
                return {**state, "count": action.payload}
        return None


class UserReducer(Reducer):
    name = "user"

    def init_state(self):
        return {"current": None, "preferences": {}}

    @on("login")
    def log_in(self, action, state):
        return {**state, "current": action.payload}

    @on("logout")
    def log_out(self, action, state):
        return self.init_state()

    @on("prefer")
    def prefer(self, action, state):
        return {**state, "preferences": {**state["preferences"], **action.payload}}


class CartReducer(Reducer):
    name = "cart"

    def init_state(self):
        return {"items": (), "discount": 0}

    @on("add")
    def add(self, action, state):
        return {**state, "items": (*state["items"], action.payload)}

    @on("remove")
    def remove(self, action, state):
        return {**state, "items": tuple(item for item in state["items"] if item["id"] != action.payload)}

    @on("clear")
    def clear(self, action, state):
        return {**state, "items": ()}


class AuditReducer(Reducer):
    name = "audit"
    action_prefix = None  # sees every action

    def init_state(self):
        return ()

    def handle_action(self, action, state):
        return (*state, action.type)


class GuestSession(SessionProcess):
    reducers = [CounterReducer, CartReducer]
    ttl = 900


class UserSession(SessionProcess):
    reducers = [CounterReducer, CartReducer, UserReducer]


class AdminSession(SessionProcess):
    reducers = [CartReducer, UserReducer, AuditReducer]

    def init_state(self, args):
        return {"permissions": tuple(args or ())}


# -- using them --------------------------------------------------------------------------------------------------------


def test_counter_and_user():
    ref = sessions.start_session("alice", UserSession)
    for _ in range(3):
        ref.dispatch("counter.increment")
    ref.dispatch("counter.decrement")
    assert ref.get_state(lambda state: state.counter["count"]) == 2
    ref.dispatch("counter.set", 10)
    ref.dispatch("user.login", {"id": 1, "name": "Alice"})
    ref.dispatch("user.prefer", {"theme": "dark"})
    assert ref.get_state("counter.count") == 10
    assert ref.get_state("user") == {"current": {"id": 1, "name": "Alice"}, "preferences": {"theme": "dark"}}
    ref.dispatch("user.logout")
    assert ref.get_state("user.current") is None


def test_session_types_share_the_cart_and_have_no_more_than_they_mount():
    guest = sessions.start_session("guest", GuestSession)
    user = sessions.start_session("user", UserSession)
    admin = sessions.start_session("admin", AdminSession, ["users"])
    for ref in (guest, user, admin):
        ref.dispatch("cart.add", {"id": 1, "price": 10})
        ref.dispatch("cart.add", {"id": 2, "price": 20})
        ref.dispatch("cart.remove", 1)
    assert {ref.get_state("cart.items")[0]["id"] for ref in (guest, user, admin)} == {2}
    assert [sorted(ref.get_state()) for ref in (guest, user, admin)] == [
        ["cart", "counter"], ["cart", "counter", "user"], ["audit", "cart", "permissions", "user"],
    ]  # fmt: skip
    assert admin.get_state("audit") == ("cart.add", "cart.add", "cart.remove")


def test_a_guest_who_becomes_a_user_keeps_the_cart():
    guest = sessions.start_session("s", GuestSession)
    guest.dispatch("cart.add", {"id": 1, "price": 10})
    kept = guest.snapshot()
    guest.terminate()
    user = sessions.start_session("s", UserSession, snapshot=kept)
    user.dispatch("user.login", {"name": "Ann"})
    assert user.get_state("cart.items") == ({"id": 1, "price": 10},)
    assert user.get_state("user.current") == {"name": "Ann"}


def test_a_process_with_messages_of_its_own():
    class Simple(SessionProcess):
        reducers = []

        def init_state(self, args):
            return {"user_id": None, "seen": ()}

        def handle_call(self, request, state):
            return Reply(state["user_id"]) if request == "get_user" else super().handle_call(request, state)

        def handle_cast(self, request, state):
            match request:
                case ("set_user", user_id):
                    return NoReply({**state, "user_id": user_id})
            return super().handle_cast(request, state)

    ref = sessions.start_session("s", Simple)
    ref.cast(("set_user", 7))
    ref.cast(("put", "seen", ("/",)))
    assert ref.call("get_user") == 7
    assert ref.get_state() == {"user_id": 7, "seen": ("/",)}


# -- a shopping cart ---------------------------------------------------------------------------------------------------

cart_count = create_selector("cart.items", len)
cart_total = create_selector(
    ["cart.items", "cart.discount"], lambda items, discount: sum(item["price"] for item in items) - discount
)


def test_a_cart_is_counted_and_added_up_only_when_it_changes():
    ref, told = sessions.start_session("s", UserSession), []
    before = cart_count.recomputations, cart_total.recomputations
    with ref.subscribe(cart_total, "total_changed", receiver=lambda event, value: told.append(value)):
        ref.dispatch("cart.add", {"id": 1, "price": 10})
        ref.dispatch("counter.increment")
        ref.dispatch("cart.add", {"id": 2, "price": 20})
        for _ in range(10):
            assert (ref.get_state(cart_count), ref.get_state(cart_total)) == (2, 30)
        ref.dispatch("cart.clear")
    assert told == [0, 10, 30, 0]
    assert (cart_count.recomputations - before[0], cart_total.recomputations - before[1]) == (1, 4)


# -- starting: in a hook for every request, or at login ----------------------------------------------------------------


def home(request):
    return JsonResponse({"count": request.session_process.dispatch("counter.increment")})


def log_in(request):
    user = authenticate(request, username=request.POST["username"], password=request.POST["password"])
    if user is None:
        return redirect("/login")
    login(request, user)
    session = sessions.get_or_start(request.session_id, UserSession)
    session.dispatch("user.login", {"name": user.username})
    return redirect("/dashboard")


def dashboard(request):
    if not request.session_process.started():
        return redirect("/login")
    return JsonResponse({"user": request.session_process.get_state("user.current")})


urlpatterns = [path("home", home), path("login", log_in), path("dashboard", dashboard)]


@pytest.fixture
def site(db, settings):
    settings.ROOT_URLCONF = __name__
    User.objects.create_user("ann", password="secret")

    def configure(process, **values):
        settings.PHOENIX_SESSIONS = {"RATE_LIMIT": None, "SESSION_PROCESS": process, **values}

    return configure


def test_the_hook_starts_a_session_for_every_visitor_who_needs_one(site, client):
    site(GuestSession)
    assert [client.get("/home").json() for _ in range(2)] == [{"count": 1}, {"count": 2}]
    assert len(sessions.list_sessions_by_process(GuestSession)) == 1


def test_at_login_the_session_starts_gets_the_user_and_the_page_redirects(site, client):
    site(UserSession, AUTO_START=False)
    assert client.get("/dashboard").url == "/login"
    assert sessions.list_sessions() == []
    assert client.post("/login", {"username": "ann", "password": "wrong"}).url == "/login"
    assert sessions.list_sessions() == []
    assert client.post("/login", {"username": "ann", "password": "secret"}).url == "/dashboard"
    assert client.get("/dashboard").json() == {"user": {"name": "ann"}}


# -- a live dashboard --------------------------------------------------------------------------------------------------


class DashboardConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"count_changed": lambda state: state.counter["count"]}
    allowed_actions = ["counter.increment", "counter.decrement"]


async def test_a_dashboard_shows_the_count_and_its_buttons_change_it_on_every_page():
    await sessions.astart_session("v" * 32, UserSession)
    async with connected(DashboardConsumer) as page, connected(DashboardConsumer) as other:
        for each in (page, other):
            assert (await receive_change(each))["changes"] == {"count_changed": 0}
        await dispatch(page, "counter.increment", ref=1)
        for each in (page, other):
            assert (await receive_change(each))["changes"] == {"count_changed": 1}
        await dispatch(other, "counter.decrement", ref=1)
        for each in (page, other):
            assert (await receive_change(each))["changes"] == {"count_changed": 0}


# -- asynchronous work -------------------------------------------------------------------------------------------------


class UnreachableError(Exception):
    pass


async def fetch(page):
    await asyncio.sleep(0)
    if page < 1:
        raise UnreachableError(f"there is no page {page}")
    return [f"item {10 * page + number}" for number in range(3)]


class ListReducer(Reducer):
    name = "list"

    def init_state(self):
        return {"items": (), "loading": False, "error": None}

    @on("loading")
    def loading(self, action, state):
        return {**state, "loading": True, "error": None}

    @on("loaded")
    def loaded(self, action, state):
        return {**state, "loading": False, "items": tuple(action.payload)}

    @on("load.failed")
    def failed(self, action, state):
        return {**state, "loading": False, "error": action.payload["message"]}

    @effect("load")
    async def load(self, action, dispatch, state):
        await dispatch("list.loading")
        await dispatch("list.loaded", await fetch(action.payload))

    @effect("reload")
    @throttle("3s")
    async def reload(self, action, dispatch, state):
        await dispatch("list.loaded", await fetch(1))


class ListSession(SessionProcess):
    reducers = [ListReducer]


def test_a_fetch_that_succeeds():
    ref, seen = sessions.start_session("s", ListSession), []
    with ref.subscribe("list.loading", "loading", receiver=lambda event, value: seen.append(value)):
        ref.dispatch_async("list.load", 1).result(10)
    assert seen == [False, True, False]
    assert ref.get_state("list") == {"items": ("item 10", "item 11", "item 12"), "loading": False, "error": None}


def test_a_fetch_that_fails(caplog):
    ref = sessions.start_session("s", ListSession)
    with pytest.raises(UnreachableError):
        ref.dispatch_async("list.load", 0).result(10)
    assert ref.get_state("list") == {"items": (), "loading": False, "error": "there is no page 0"}


def test_a_reload_button_that_is_hammered_reloads_once_in_3_seconds(clock):
    ref = sessions.start_session("s", ListSession)

    def press():
        handle = ref.dispatch_async("list.reload")
        if not handle.cancelled():
            handle.result(10)
        return ref.version

    assert [press() for _ in range(5)] == [1] * 5
    clock.advance(3)
    assert press() == 2


# -- searching while somebody types ------------------------------------------------------------------------------------

CATALOG = ("tea", "teapot", "cup")


class SearchReducer(Reducer):
    name = "search"

    def init_state(self):
        return {"query": "", "found": (), "searches": 0}

    @on("typed")
    def typed(self, action, state):
        return {**state, "query": action.payload}

    @on("search")
    @debounce("500ms")
    def search(self, action, state):
        found = tuple(name for name in CATALOG if action.payload in name)
        return {**state, "found": found, "searches": state["searches"] + 1}


class SearchSession(SessionProcess):
    reducers = [SearchReducer]


def test_a_search_box_searches_once_when_the_typing_pauses(clock):
    ref = sessions.start_session("s", SearchSession)
    for query in ("t", "te", "tea"):
        ref.dispatch("search.typed", query)
        ref.dispatch("search.search", query)
        clock.advance(0.2)
    assert ref.get_state("search") == {"query": "tea", "found": (), "searches": 0}
    clock.advance(0.3)
    assert ref.get_state("search") == {"query": "tea", "found": ("tea", "teapot"), "searches": 1}


class ReloadReducer(Reducer):
    name = "page"

    def init_state(self):
        return {"reloads": 0}

    @on("reload")
    @throttle("3s")
    def reload(self, action, state):
        return {**state, "reloads": state["reloads"] + 1}


def test_a_throttled_reload_drops_what_comes_too_early(clock):
    ref = sessions.start_session("s", type("PageSession", (SessionProcess,), {"reducers": [ReloadReducer]}))
    counts = []
    for _ in range(7):
        ref.dispatch("page.reload")
        counts.append(ref.get_state("page.reloads"))
        clock.advance(1)
    assert counts == [1, 1, 1, 2, 2, 2, 3]
