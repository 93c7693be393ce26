"""Plain data as bytes: everything comes back as what it was, and nothing else gets in."""

import contextlib
import io
import math
import struct
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions import Action, NotSerializable
from phoenix_sessions.backends import codec

ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=-30)), ZoneInfo("Europe/Berlin")])
HASHABLE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(2**63, 2**70), st.floats(), st.text(), st.binary(),
    st.dates(), st.timedeltas(), st.uuids(), st.decimals(allow_nan=False),
    st.builds(lambda value, zone, fold: value.replace(tzinfo=zone, fold=fold),
              st.datetimes(), ZONES, st.integers(0, 1)),
    st.builds(lambda value, zone, fold: value.replace(tzinfo=zone, fold=fold), st.times(), ZONES, st.integers(0, 1)),
)  # fmt: skip
KEYS = st.one_of(HASHABLE, st.tuples(HASHABLE, HASHABLE), st.frozensets(HASHABLE, max_size=3))
VALUES = st.recursive(
    st.one_of(HASHABLE, st.sets(KEYS, max_size=3), st.frozensets(KEYS, max_size=3), st.just(Decimal("NaN"))),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=5), inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=12,
)


def same(a, b):
    """Return whether two values are equal and of the same types throughout, nan being itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(*keys) and same(a[keys[0]], b[keys[1]]) for keys in zip(a, b, strict=True))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    if isinstance(a, datetime | time):
        naive = a.replace(tzinfo=None) == b.replace(tzinfo=None)
        return naive and a.fold == b.fold and a.tzinfo == b.tzinfo
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, Decimal):
        return a.as_tuple() == b.as_tuple()
    return a == b


@given(VALUES)
def test_what_is_written_is_read_as_what_it_was(value):
    assert same(codec.decode(codec.encode(value, "value")), value)


@pytest.mark.parametrize(
    "value",
    [
        -(2**63) - 1, -(2**63), 2**64 - 1, 2**64, 16**5000, -(16**5000),
        (True, 1, 1.0), {1: "int", "1": "str"}, {None: 1}, {(1, (2,)): 3}, {}, (), [], frozenset(), b"",
        Decimal("1.10"), Decimal("-0"), Decimal("sNaN12"), Decimal("Infinity"),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        time(2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(seconds=1))), datetime.max, date.max, timedelta.min,
    ],
    ids=lambda value: f"{value!r:.40}" if not isinstance(value, int) else f"{value.bit_length()} bits",
)  # fmt: skip
def test_the_corners(value):
    assert same(codec.decode(codec.encode(value, "value")), value)


class Text(str):
    __slots__ = ()


class Somewhere(tzinfo):
    def utcoffset(self, dt):
        return timedelta(hours=1)


COUNTS = (0, 0, 0, 0, 1, 4)
NAMELESS = ZoneInfo.from_file(io.BytesIO(b"TZif" + bytes(16) + struct.pack(">6l", *COUNTS) + bytes(6) + b"UTC\0"))
CYCLE = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (object(), "cart"),
        ({"items": [1, {"x": object()}]}, "cart.items.1.x"),
        ((1, {2, Text("x")}), None),
        ({1: object()}, "cart.1"),
        ({Text("key"): 1}, "cart.key"),
        ({(1, Text("key")): 1}, None),
        ([bytearray(b"x")], "cart.0"),
        (["\ud800"], "cart"),
        ({"\ud800": 1}, "cart"),
        ([("\ud800",)], "cart"),
        (datetime(2026, 1, 1, tzinfo=Somewhere()), "cart"),
        (datetime(2026, 1, 1, tzinfo=NAMELESS), "cart"),
        (CYCLE, "cart"),
        ({"me": CYCLE}, "cart"),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_what_would_not_come_back_is_refused_with_its_path(value, path):
    with pytest.raises(NotSerializable) as caught:
        codec.encode(value, "cart")
    assert caught.value.slice == "cart"
    assert path is None or caught.value.path == path


def nested(depth, kind):
    value = kind(())
    for _ in range(depth):
        value = kind((value,))
    return value


@pytest.mark.parametrize("kind", [list, tuple, frozenset])
def test_a_hundred_levels_are_fine(kind):
    value = nested(100, kind)
    assert codec.decode(codec.encode(value, "value")) == value


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_hundred_thousand_levels_are_refused(kind):
    with pytest.raises(NotSerializable, match="nests too deeply"):
        codec.encode(nested(100_000, kind), "value")


@given(st.binary(max_size=200))
def test_random_bytes_are_data_or_a_value_error(data):
    with contextlib.suppress(ValueError):
        codec.decode(data)


@given(st.integers(-128, 127), VALUES)
def test_an_extension_with_the_wrong_inside_is_data_or_a_value_error(number, inside):
    with contextlib.suppress(ValueError):
        codec.decode(msgspec.msgpack.encode(msgspec.msgpack.Ext(number, codec.encode(inside, "value"))))


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../../etc/passwd", "Europe", "", "a\0b"])
@pytest.mark.parametrize("kind", [datetime, time])
def test_a_zone_that_is_none_is_a_value_error(zone, kind):
    number = {datetime: 6, time: 8}[kind]
    text = kind.min.isoformat()
    inside = msgspec.msgpack.encode([text, 0, zone])
    with pytest.raises(ValueError, match="not what was written"):
        codec.decode(msgspec.msgpack.encode(msgspec.msgpack.Ext(number, inside)))


@pytest.mark.parametrize(
    "data", [b"", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x91" * 100_000, b"\x01\x02"]
)
def test_broken_bytes_are_a_value_error(data):
    with pytest.raises(ValueError, match="not what was written"):
        codec.decode(data)


class Item(msgspec.Struct):
    name: str


@pytest.mark.parametrize("payload", [None, {"a": (1, {2})}, Item("tea"), [Item("tea")], 2**80])
def test_a_payload_of_plain_data_or_of_a_declared_type_could_be_written(payload):
    codec.check_payload(Action("cart.add", payload, {"user": 1}))


@pytest.mark.parametrize(
    ("action", "where"),
    [
        (Action("a", object()), "payload"),
        (Action("a", {"deep": [object()]}), "payload.deep.0"),
        (Action("a", None, {"request": object()}), "meta.request"),
        (Action("a", CYCLE), "payload"),
    ],
)
def test_any_other_payload_could_not(action, where):
    with pytest.raises(NotSerializable) as caught:
        codec.check_payload(action)
    assert caught.value.path == where
