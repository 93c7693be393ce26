"""The log of a session as bytes, and back."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from shared.lab import PLAIN, Room

from phoenix_sessions import InvalidSnapshot
from phoenix_sessions.core.action import make_action
from phoenix_sessions.core.history import Record as Applied
from phoenix_sessions.core.mounts import Mounts
from phoenix_sessions.core.state import GONE
from phoenix_sessions.shared.log import decode_log, encode_entry
from phoenix_sessions.shared.shapes import Shapes

SHAPES = Shapes(Room, Mounts(Room.reducers))


@given(PLAIN, st.dictionaries(st.text(min_size=1), PLAIN, max_size=3))
def test_an_entry_of_the_log_comes_back_as_it_was(payload, meta):
    applied = Applied(make_action("tally.add", payload, meta), "dispatch", 1.5, 3, 4, {}, 4)
    pieces = SHAPES.pieces({"tally": ("before",)})
    (back,) = decode_log(
        [encode_entry(applied, {"tally": pieces["tally"], "topic": None}, Room.schema_version)], SHAPES
    )
    assert (back.action, back.origin, back.time, back.start, back.version, back.shows) == (
        applied.action, "dispatch", 1.5, 3, 4, 4,
    )  # fmt: skip
    assert back.before == {"tally": ("before",), "topic": GONE}


@given(st.binary(max_size=40))
def test_noise_is_an_error_and_nothing_else(noise):
    with contextlib.suppress(InvalidSnapshot):
        decode_log([noise], SHAPES)
