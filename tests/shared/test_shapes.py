"""The state of a session as bytes, and back."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.lab import PLAIN, Room

from phoenix_sessions import InvalidSnapshot
from phoenix_sessions.core.mounts import Mounts
from phoenix_sessions.core.state import GONE
from phoenix_sessions.shared.shapes import Shapes

STATES = st.dictionaries(st.text(min_size=1, max_size=50), PLAIN, max_size=20).map(
    lambda own: {**own, "tally": (), "count": 0}
)
SHAPES = Shapes(Room, Mounts(Room.reducers))


@pytest.fixture
def shapes():
    return SHAPES


@given(STATES)
def test_a_state_comes_back_as_it_was(state):
    pieces = SHAPES.pieces(state)
    back, again = SHAPES.read(SHAPES.state(pieces), {}, {})
    assert back == state
    assert again == pieces


@given(STATES)
def test_the_size_is_known_without_making_the_bytes(state):
    pieces = SHAPES.pieces(state)
    assert SHAPES.size(pieces) == len(SHAPES.state(pieces))


@pytest.mark.parametrize("length", [0, 1, 31, 32, 255, 256, 65_535, 65_536])
def test_the_size_is_right_at_the_limits_of_the_headers(shapes, length):
    for pieces in ({"k" * length: b""}, {"k": bytes(length)}, {str(number): b"" for number in range(min(length, 300))}):
        assert shapes.size(pieces) == len(shapes.state(pieces))


def test_what_has_come_with_the_same_bytes_is_the_same_object(shapes):
    state = {"tally": ("a", ["b"]), "count": 0}
    pieces = shapes.pieces(state)
    back, _ = shapes.read(shapes.state({**pieces, "count": b"\x01"}), pieces, state)
    assert back["tally"] is state["tally"]
    assert back["count"] == 1


def test_what_has_gone_is_left_out(shapes):
    assert shapes.pieces({"tally": (), "topic": GONE}).keys() == {"tally"}


@given(st.binary(max_size=40))
def test_noise_is_an_error_and_nothing_else(noise):
    with contextlib.suppress(InvalidSnapshot):
        SHAPES.read(noise, {}, {})
