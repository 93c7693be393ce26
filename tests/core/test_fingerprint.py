"""Fingerprints tell whether a value was changed in place, and nothing else."""

import copy
import dataclasses
import enum
import functools
import threading
from collections import OrderedDict, UserDict, deque

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions.core.fingerprint import fingerprint


class Plain:
    def __init__(self, *items):
        self.items = list(items)

    @functools.cached_property
    def total(self):
        return sum(self.items)


class Struct(msgspec.Struct):
    items: list


@dataclasses.dataclass
class Data:
    items: list


class Colour(enum.Enum):
    RED = [1]


CHANGES = [
    ([1, 2], lambda value: value.append(3)),
    ([1, 2], lambda value: value.reverse()),
    ([[1], [2]], lambda value: value[1].clear()),
    (([1],), lambda value: value[0].append(2)),
    ({"a": 1}, lambda value: value.update(b=2)),
    ({"a": 1, "b": 2}, lambda value: value.pop("a")),
    ({"a": {"b": [1]}}, lambda value: value["a"]["b"].append(2)),
    ({"a": None}, lambda value: value.update(a=0)),
    ({1, 2}, lambda value: value.add(3)),
    (bytearray(b"ab"), lambda value: value.extend(b"c")),
    (Plain(1), lambda value: value.items.append(2)),
    (Plain(1), lambda value: setattr(value, "items", [])),
    (Plain(1), lambda value: setattr(value, "more", 1)),
    (Struct([1]), lambda value: value.items.append(2)),
    (Struct([1]), lambda value: setattr(value, "items", None)),
    (Data([1]), lambda value: value.items.append(2)),
    ([Data([Struct([Plain(1)])])], lambda value: value[0].items[0].items[0].items.append(2)),
    (OrderedDict(a=[1]), lambda value: value["a"].append(2)),
    (UserDict(a=[1]), lambda value: value["a"].append(2)),
    (deque([1]), lambda value: value.append(2)),
]


@pytest.mark.parametrize(("value", "change"), CHANGES, ids=[f"{value!r:.30}" for value, _ in CHANGES])
def test_a_change_in_place_is_seen(value, change):
    value = copy.deepcopy(value)
    before = fingerprint(value)
    assert fingerprint(value) == before
    change(value)
    assert fingerprint(value) != before


NAN = float("nan")


def cyclic():
    value = {"list": []}
    value["list"].append(value)
    return value


STEADY = [
    None, 1, "text", NAN, [NAN], {"a": NAN}, b"x", object(), Plain, Plain(1), Struct([1]), Data([1]), Colour.RED,
    lambda: None, threading.Lock(), threading, cyclic(), [[]], frozenset({(1, 2)}), msgspec, iter(()), 1j, range(3),
]  # fmt: skip


@pytest.mark.parametrize("value", STEADY, ids=lambda value: f"{value!r:.30}")
def test_what_is_left_alone_keeps_its_fingerprint(value):
    assert fingerprint(value) == fingerprint(value)


@given(
    st.recursive(
        st.one_of(st.integers(), st.floats(), st.text()), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_plain_data_keeps_its_fingerprint(value):
    assert fingerprint(value) == fingerprint(value)


def test_reading_a_cached_property_is_no_change():
    value = Plain(1, 2)
    before = fingerprint(value)
    assert value.total == 3
    assert fingerprint(value) == before


def test_what_belongs_to_everybody_is_no_part_of_the_value():
    value = [Plain, threading]
    before = fingerprint(value)
    Plain.extra = threading.extra = 1
    try:
        assert fingerprint(value) == before
    finally:
        del Plain.extra, threading.extra


def test_a_deep_value_is_walked_as_far_as_it_goes():
    value = []
    for _ in range(100_000):
        value = [value]
    assert fingerprint(value) == fingerprint(value)


def test_what_is_shared_many_times_is_walked_once():
    value = [1]
    for _ in range(60):
        value = [value, value]
    before = fingerprint(value)
    assert fingerprint(value) == before
