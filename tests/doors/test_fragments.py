"""Server-rendered fragments, for the page of htmx 4 and of htmx 2."""

import asyncio
import json

import msgspec
import pytest
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.template import TemplateDoesNotExist

from doors.sockets import ID, close_code, connected
from phoenix_sessions import Reducer, SessionProcess, on, sessions
from phoenix_sessions.fragments import FragmentConsumerMixin


class Amount(msgspec.Struct, forbid_unknown_fields=True):
    amount: int
    note: str = ""


class Basket(Reducer):
    name = "basket"

    def init_state(self):
        return {"count": 0, "note": "<b>"}

    @on("add")
    def add(self, action, state):
        return {**state, "count": state["count"] + action.payload.amount}

    @on("noted")
    def noted(self, action, state):
        return {**state, "note": action.payload["note"]}

    @on("fail")
    def fail(self, action, state):
        raise ValueError("as asked")


class Shop(SessionProcess):
    reducers = [Basket]


class BasketConsumer(FragmentConsumerMixin, AsyncJsonWebsocketConsumer):
    fragments = {"#count": ("basket.count", "testsite/count.html"), "#note": ("basket.note", "testsite/note.html")}
    allowed_actions = ["basket.*"]
    payload_schemas = {"basket.add": Amount}
    error_target = "#errors"
    fragments_per_second = 10_000


class Basket2Consumer(BasketConsumer):
    htmx = 2


@pytest.fixture
async def ref():
    return await sessions.astart_session(ID, Shop)


async def fragment(socket):
    return json.loads(await socket.receive_from())


# -- what is sent ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_thread", [True, False])
async def test_htmx_4_gets_an_envelope_for_each_fragment(ref, in_thread):
    consumer = type("Consumer", (BasketConsumer,), {"render_in_thread": in_thread})
    async with connected(consumer) as socket:
        assert await fragment(socket) == {"content": "<b>0</b> at 0\n", "target": "#count", "swap": "innerHTML"}
        assert await fragment(socket) == {"content": "&lt;b&gt;\n", "target": "#note", "swap": "innerHTML"}
        await ref.adispatch("basket.add", Amount(2))
        assert await fragment(socket) == {"content": "<b>2</b> at 1\n", "target": "#count", "swap": "innerHTML"}
        assert await socket.receive_nothing()


async def test_htmx_2_gets_html_that_is_swapped_out_of_band(ref):
    async with connected(Basket2Consumer) as socket:
        first = await socket.receive_from()
        assert first == '<div hx-swap-oob="innerHTML:#count"><b>0</b> at 0\n</div>'


async def test_who_comes_back_gets_what_was_missed(ref):
    async with connected(BasketConsumer):  # another tab stays
        await ref.adispatch("basket.add", Amount(1))
        point = f"?epoch={ref.epoch}&version=1"
        await ref.adispatch("basket.noted", {"note": "new"})
        async with connected(BasketConsumer, query=point) as socket:
            assert (await fragment(socket))["target"] == "#note"
            assert await socket.receive_nothing()


async def test_the_latest_value_wins(ref):
    """A fragment is rendered on the way out, so what changes meanwhile is not queued."""

    class Slow(BasketConsumer):
        fragments = {"#count": ("basket.count", "testsite/count.html")}
        fragments_per_second = 20

    async with connected(Slow) as socket:
        await fragment(socket)
        for _ in range(500):
            await ref.adispatch("basket.add", Amount(1))
        seen = [(await fragment(socket))["content"]]
        while "500" not in seen[-1]:
            seen.append((await fragment(socket))["content"])
        assert len(seen) <= 2


async def test_values_with_a_method_go_there(ref):
    heard = asyncio.Queue()

    class Listening(BasketConsumer):
        subscriptions = {"count_changed": "basket.count"}

        async def count_changed(self, value):
            heard.put_nowait(value)

    async with connected(Listening) as socket:
        await fragment(socket)
        assert await heard.get() == 0


def test_a_subclass_has_the_fragments_that_it_says_whatever_their_targets():
    class Wide(BasketConsumer):
        subscriptions = {"heard": "basket"}
        fragments = {".count, main": ("basket.count", "testsite/count.html")}

        async def heard(self, value):
            pass

    class Narrow(Wide):
        fragments = {"#note": ("basket.note", "testsite/note.html")}

    assert Wide.subscriptions == {"heard": "basket", ".count, main": "basket.count"}
    assert Narrow.subscriptions == {"heard": "basket", "#note": "basket.note"}


async def test_a_context_of_ones_own(ref):
    class Greeting(BasketConsumer):
        def get_context(self, target, value):
            return {**super().get_context(target, value), "value": f"{target} {value}"}

    async with connected(Greeting) as socket:
        assert (await fragment(socket))["content"] == "<b>#count 0</b> at 0\n"


async def test_a_template_that_fails_closes_the_socket(ref, caplog):
    class Missing(BasketConsumer):
        fragments = {"#count": ("basket.count", "testsite/missing.html")}

    async with connected(Missing) as socket:
        assert await close_code(socket) == 4011
    assert issubclass(caplog.records[-1].exc_info[0], TemplateDoesNotExist)


async def test_the_end_of_the_session_closes_the_socket(ref):
    async with connected(BasketConsumer) as socket:
        await fragment(socket)
        await ref.aterminate("logout")
        assert await close_code(socket) == 4401


# -- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"headers": {"HX-Request": "true"}}, {"HEADERS": {"HX-Request": "true"}}, {}])
async def test_a_form_is_dispatched_with_its_fields_converted(ref, headers):
    async with connected(BasketConsumer) as socket:
        await fragment(socket)
        await fragment(socket)
        await socket.send_json_to({"action": "basket.add", "amount": "3", **headers})
        assert (await fragment(socket))["content"] == "<b>3</b> at 1\n"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"action": "other.add"}, "the action &#x27;other.add&#x27; is in neither"),
        ({"action": "basket.add", "amount": "many"}, "Expected `int`, got `str`"),
        ({"action": "basket.add", "amount": "1", "price": "0"}, "unknown field `price`"),
        ({"action": "basket.fail"}, "the action failed"),
        ({"amount": "3"}, "names its action in the field"),
        ({"action": ["basket.add"]}, "names its action in the field"),
        ([1], "not a frame of this protocol"),
    ],
)
async def test_what_is_refused_changes_nothing_and_is_told(ref, form, text):
    async with connected(BasketConsumer) as socket:
        await fragment(socket)
        await fragment(socket)
        await socket.send_json_to(form)
        answer = await fragment(socket)
        assert (answer["target"], text in answer["content"]) == ("#errors", True), answer
        assert ref.version == 0


async def test_without_a_target_errors_are_silent(ref):
    quiet = type("Quiet", (BasketConsumer,), {"error_target": None})
    async with connected(quiet) as socket:
        await fragment(socket)
        await fragment(socket)
        await socket.send_json_to({"action": "other.add"})
        await socket.send_json_to({"action": "basket.add", "amount": "3"})
        assert (await fragment(socket))["content"] == "<b>3</b> at 1\n"


async def test_who_acts_faster_than_fragments_are_sent_stays_connected_and_sees_the_last_of_all(ref):
    class Fast(BasketConsumer):
        fragments = {"#count": ("basket.count", "testsite/count.html")}
        fragments_per_second = 2
        frame_burst = 1000

    async with connected(Fast) as socket:
        await fragment(socket)
        for number in range(150):
            await socket.send_json_to({"action": "basket.add", "amount": "1"})
            await socket.send_json_to({"action": f"other.{number}"})
        seen = {}
        while "150" not in seen.get("#count", "") or "other.149" not in seen.get("#errors", ""):
            answer = await fragment(socket)
            seen[answer["target"]] = answer["content"]
        assert ref.version == 150


# -- the class -------------------------------------------------------------------------------------------------------


def test_a_version_that_is_not_known():
    with pytest.raises(TypeError, match="htmx is 3"):
        type("Wrong", (BasketConsumer,), {"htmx": 3})


def test_a_subscription_that_could_not_be_shown():
    with pytest.raises(TypeError, match="'count_changed': give it a fragment, or a method"):
        type("Wrong", (BasketConsumer,), {"subscriptions": {"count_changed": "basket.count"}})


@pytest.mark.parametrize("event", ["htmx", "fragments", "get_context", "send_frame"])
def test_a_subscription_may_not_be_called_as_something_that_the_mixin_has(event):
    with pytest.raises(TypeError, match=f"subscriptions has '{event}', which every consumer has: choose another name"):
        type("Wrong", (BasketConsumer,), {"subscriptions": {event: "basket.count"}})


def test_fragments_of_a_subclass_replace_those_of_its_base():
    fragments = {"#note": ("basket.note", "testsite/note.html")}
    only = type("Only", (BasketConsumer,), {"fragments": fragments})
    assert only.subscriptions == {"#note": "basket.note"}
