"""Views that need a session process, and the template tag of the first paint."""

import pytest
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.template import Context, Template
from django.test import AsyncRequestFactory, RequestFactory
from django.utils.decorators import method_decorator
from django.views import View
from samples import Room

from phoenix_sessions import SessionNotFound, SessionRef, sessions
from phoenix_sessions.decorators import ensure_session_process
from phoenix_sessions.middleware import attach


@pytest.fixture(autouse=True)
def by_hand(settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": False}


def visit(path="/page/?a=1", factory=RequestFactory):
    request = factory().get(path)
    request.session = SessionStore()
    attach(request)
    return request


def show(request, *args, **kwargs):
    return HttpResponse(f"{request.session_process.facts.process} {args} {kwargs}")


def test_the_session_runs_when_the_view_begins():
    request = visit()
    response = ensure_session_process(show)(request, 1, key=2)
    assert response.content == b"SessionProcess (1,) {'key': 2}"
    assert sessions.started(str(request.session_id))


def test_a_running_session_is_left_as_it_is():
    request = visit()
    ref = sessions.start_session(str(request.session_id), Room)
    ref.dispatch("count.add")
    assert ensure_session_process(show)(request).content.startswith(b"Room")
    assert ref.version == 1


def test_process_and_args():
    class Named(Room):
        def init_state(self, args):
            return {"name": args}

    view = ensure_session_process(process=Named, args=lambda request: request.GET["a"])(
        lambda request: HttpResponse(request.session_process.state["name"])
    )
    assert view(visit()).content == b"1"


def test_who_has_no_session_is_sent_elsewhere_and_nothing_starts():
    request = visit()
    response = ensure_session_process(redirect_to="/log-in/")(show)(request)
    assert (response.status_code, response.url) == (302, "/log-in/?next=%2Fpage%2F%3Fa%3D1")
    assert sessions.list_sessions() == []
    sessions.start_session(str(request.session_id))
    assert ensure_session_process(redirect_to="/log-in/")(show)(request).status_code == 200


def test_the_address_that_was_asked_for_goes_beside_what_the_other_page_wants():
    view = ensure_session_process(redirect_to="/log-in/?by=mail&next=/lost/#form")(show)
    assert view(visit()).url == "/log-in/?by=mail&next=%2Fpage%2F%3Fa%3D1#form"


async def test_async_views():
    @ensure_session_process(process=Room)
    async def view(request):
        ref = await request.asession_process()
        return HttpResponse(await ref.adispatch("count.add"))

    assert (await view(visit(factory=AsyncRequestFactory))).content == b"1"
    elsewhere = ensure_session_process(redirect_to="/log-in/")(view)
    assert (await elsewhere(visit(factory=AsyncRequestFactory))).status_code == 302


@pytest.mark.parametrize("auto_start", [True, False], ids=["AUTO_START on", "AUTO_START off"])
async def test_an_async_view_has_the_handle_without_waiting(settings, auto_start):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": auto_start}

    @ensure_session_process(process=Room)
    async def view(request):
        return HttpResponse(f"{request.session_process.facts.process} {type(request.session_process).__name__}")

    assert (await view(visit(factory=AsyncRequestFactory))).content == b"Room SessionRef"


@pytest.mark.parametrize("auto_start", [True, False], ids=["AUTO_START on", "AUTO_START off"])
def test_a_sync_view_has_the_handle_on_what_was_started(settings, auto_start):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": auto_start}
    request = visit()
    ensure_session_process(process=Room)(show)(request)
    assert type(request.session_process) is SessionRef


def test_class_based_views():
    @method_decorator(ensure_session_process, name="dispatch")
    class Page(View):
        def get(self, request):
            return show(request)

    assert Page.as_view()(visit()).content == b"SessionProcess () {}"


def test_the_name_of_the_view_stays():
    assert ensure_session_process(show).__name__ == "show"


# -- the template tag ----------------------------------------------------------------------------------------------

PAGE = Template(
    "{% load phoenix_sessions %}{% session_process as session %}"
    "{{ session.state.count }}|{{ session.version }}|{% session_resume session %}"
)


def test_the_first_paint_is_one_look_at_the_session():
    request = visit()
    ref = sessions.start_session(str(request.session_id), Room)
    ref.dispatch("count.add")
    painted = PAGE.render(Context({"request": request}))
    assert painted == f'1|1|data-session-epoch="{ref.epoch}" data-session-version="1"'


def test_with_auto_start_it_starts_the_visitors_session_once(settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": True}
    request = visit()
    for _ in range(2):
        assert PAGE.render(Context({"request": request})).startswith("|0|")
    assert [ref.id for ref in sessions.list_sessions()] == [str(request.session_id)]


async def test_in_an_async_view():
    request = visit(factory=AsyncRequestFactory)
    ref = await sessions.astart_session(str(request.session_id), Room)
    assert PAGE.render(Context({"request": request})).startswith("0|0|")
    assert ref.look() == (ref.state, ref.epoch, 0)


async def test_in_an_async_view_that_has_awaited_the_session(settings):
    settings.PHOENIX_SESSIONS = {**settings.PHOENIX_SESSIONS, "AUTO_START": True}
    request = visit(factory=AsyncRequestFactory)
    ref = await request.asession_process()
    assert request.session_process == ref
    assert PAGE.render(Context({"request": request})).startswith("|0|")


def test_without_a_session():
    with pytest.raises(SessionNotFound):
        PAGE.render(Context({"request": visit()}))


@pytest.mark.parametrize("context", [{}, {"request": RequestFactory().get("/")}])
def test_without_request_or_middleware(context):
    with pytest.raises(ImproperlyConfigured, match="phoenix_sessions' middleware in MIDDLEWARE"):
        PAGE.render(Context(context))
