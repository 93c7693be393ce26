"""The shop's addresses."""

from django.urls import path

from .views import accounts, delivery, other_doors, pages, past, staff

urlpatterns = [
    path("", pages.counter, name="counter"),
    path("cart/", pages.cart, name="cart"),
    path("history/", past.history, name="history"),
    path("travel/", past.travel, name="travel"),
    path("search/", pages.search, name="search"),
    path("search/found/", pages.found, name="found"),
    path("delivery/", delivery.delivery, name="delivery"),
    path("delivery/quote/", delivery.quote, name="quote"),
    path("delivery/board/", delivery.board, name="board"),
    path("delivery/ask/", delivery.ask, name="ask"),
    path("delivery/cancel/", delivery.cancel, name="cancel"),
    path("staff/", staff.staff, name="staff"),
    path("htmx/", other_doors.htmx, name="htmx"),
    path("htmx/do/<str:action>/", pages.act, {"page": "htmx"}, name="htmx-act"),
    path("events/", other_doors.events, name="events"),
    path("events/do/<str:action>/", pages.act, {"page": "events"}, name="events-act"),
    path("events/stream/", other_doors.CounterEvents.as_view(), name="stream"),
    path("session/", pages.session, name="session"),
    path("session/facts/", pages.session_facts, name="facts"),
    path("do/<str:action>/", pages.act, name="act"),
    path("account/sign-up/", accounts.sign_up, name="sign-up"),
    path("account/log-in/", accounts.log_in, name="login"),
    path("account/log-out/", accounts.log_out, name="logout"),
]
