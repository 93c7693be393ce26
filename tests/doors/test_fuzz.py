"""Whatever comes through a socket, the server answers or closes it, and nobody else notices."""

import json

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doors.sockets import ID, connected, dispatch
from phoenix_sessions import sessions
from phoenix_sessions.consumers import SessionConsumerMixin
from phoenix_sessions.testing import isolated_sessions, receive_change

FRAMES_IN_A_BATCH = 50
BATCHES = 40  # 2,000 frames

ERRORS = {"bad_frame", "not_allowed", "invalid_payload", "action_failed"}
CLOSES = {4008, 4009}


class AttackedConsumer(SessionConsumerMixin, AsyncJsonWebsocketConsumer):
    subscriptions = {"count_changed": "counter.count"}
    allowed_actions = ["counter.*"]
    payload_schemas = {"counter.add": int}
    max_frame_bytes = 1024
    frame_burst = frames_per_second = 1_000_000


plain = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.integers()
anything = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
no_integer = st.none() | st.booleans() | st.text() | st.lists(plain) | st.dictionaries(st.text(), plain)
wrong_reference = st.none() | st.booleans() | st.text() | st.integers(max_value=-1) | st.integers(min_value=2**53 + 1)


def an_add(ref, payload):
    return json.dumps({"type": "dispatch", "ref": ref, "action": "counter.add", "payload": payload})


frames = st.one_of(
    st.text(),
    st.binary(),
    anything.map(json.dumps),
    st.integers(1, 2000).map(lambda depth: "[" * depth),
    st.integers(1, 450).map(lambda depth: "[" * depth + "]" * depth),
    st.integers(1, 450).map(
        lambda depth: '{"type":"dispatch","ref":1,"action":"counter.add","payload":' + "[" * depth + "]" * depth + "}"
    ),
    st.integers(1, 300).map(lambda depth: '{"type":' * depth + "1" + "}" * depth),
    st.fixed_dictionaries({"type": st.sampled_from(["dispatch", "ack"]) | anything}, optional={"ref": anything}).map(
        json.dumps
    ),
    st.fixed_dictionaries({"type": st.just("ack"), "seq": wrong_reference}).map(json.dumps),
    st.builds(
        lambda action, payload: json.dumps({"type": "dispatch", "ref": 1, "action": action, "payload": payload}),
        st.sampled_from(["counter.fail", "cart.add", "", "counter", "x" * 300]) | st.text().map("cart.".__add__),
        anything,
    ),
    no_integer.map(lambda value: json.dumps({"type": "dispatch", "ref": 1, "action": "counter.add", "payload": value})),
    wrong_reference.map(
        lambda ref: json.dumps({"type": "dispatch", "ref": ref, "action": "counter.add", "payload": 1})
    ),
)


def message(frame):
    return {"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame}


async def answer(socket):
    """Return the code of the one answer, or of the close; acknowledge what can be."""
    output = await socket.receive_output(5)
    if output["type"] == "websocket.close":
        return output["code"]
    frame = json.loads(output["text"])
    assert frame["type"] == "error"
    await socket.send_json_to({"type": "ack", "seq": frame["seq"]})
    return frame["code"]


async def attack(batch):
    """Send every frame and check its answer; connect again where the server closes."""
    rest = list(batch)
    while rest:
        async with connected(AttackedConsumer) as socket:
            await receive_change(socket)
            while rest and (code := await send(socket, rest.pop())) not in CLOSES:
                assert code in ERRORS


async def send(socket, frame):
    await socket.send_input(message(frame))
    return await answer(socket)


@settings(max_examples=BATCHES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(frames, min_size=FRAMES_IN_A_BATCH, max_size=FRAMES_IN_A_BATCH))
async def test_malformed_frames_change_nothing_and_nobody_else_notices(batch):
    with isolated_sessions():
        async with connected(AttackedConsumer) as other:
            await receive_change(other)

            await attack(batch)

            assert (await sessions.afind_session(ID)).version == 0
            await dispatch(other, "counter.add", 1)
            assert (await receive_change(other))["changes"] == {"count_changed": 1}
            assert (await other.receive_json_from())["type"] == "ok"
        assert (await sessions.asession_stats()).subscribers == 0
