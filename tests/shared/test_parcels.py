"""Parcels: what comes twice is taken once, parts are put together, and a hole shows."""

import itertools

import pytest

from phoenix_sessions import StreamEvent
from phoenix_sessions.shared.parcels import DATA_BYTES, Inbox, notices


def numbers(items):
    return [item.payload if isinstance(item, StreamEvent) else item.reason for item in items]


def items(inbox, *told):
    return numbers(itertools.chain.from_iterable(map(inbox.take, told)))


def parcel(number, after=0, owed=False, by=b"somebody", size=0):
    payload = b"\xc4\x00" if not size else b"\xc6" + size.to_bytes(4) + bytes(size)
    return notices(by, number, after, owed, [(f"n{number}", payload)])


def test_parts_are_put_together_and_come_once():
    parts = parcel(1, size=3 * DATA_BYTES)
    assert len(parts) == 4
    inbox = Inbox()
    assert items(inbox, parts[0], parts[0], parts[1], parts[0], parts[2], parts[3], parts[3]) == [bytes(3 * DATA_BYTES)]


def test_parts_of_several_publishers_may_come_in_turn():
    one, two = parcel(1, size=DATA_BYTES), parcel(1, size=DATA_BYTES + 1, by=b"the other")
    told = items(Inbox(), one[0], two[0], two[1], one[1])
    assert list(map(len, told)) == [DATA_BYTES + 1, DATA_BYTES]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_part_that_is_missing_leaves_a_gap(missing):
    parts = parcel(2, 1, size=3 * DATA_BYTES)
    del parts[missing]
    assert items(Inbox(), *parcel(1), *parts) == [b"", "missed"]


def test_a_part_that_came_before_an_interruption_does_not_count_after_it():
    first, *rest = parcel(1, size=DATA_BYTES)
    inbox = Inbox()
    assert items(inbox, first) == []
    inbox.interrupt()
    assert items(inbox, *rest) == ["missed"]


def test_a_parcel_that_never_ended_is_followed_by_a_gap():
    first, _ = parcel(1, size=DATA_BYTES)
    assert items(Inbox(), first, *parcel(2, 0, owed=True)) == ["unpublished", b""]


def test_the_parts_of_another_parcel_are_not_taken_for_those_of_this():
    inbox = Inbox()
    items(inbox, parcel(1, size=DATA_BYTES)[0])
    assert items(inbox, parcel(2, size=DATA_BYTES)[1]) == ["missed"]


def test_publishers_are_remembered_within_a_bound():
    inbox = Inbox()
    for number in range(1_500):
        inbox.take(*parcel(1, by=b"%d" % number))
    assert len(inbox._last) == 1_000
    assert items(inbox, *parcel(1, by=b"1499")) == []
