"""How a session was started, as bytes and back."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from shared.lab import Room

from phoenix_sessions import InvalidSnapshot
from phoenix_sessions.shared.birth import decode_args, decode_birth, encode_birth


@given(st.binary(max_size=40))
def test_noise_is_an_error_and_nothing_else(noise):
    with contextlib.suppress(InvalidSnapshot):
        decode_birth(noise)


def test_the_birth_says_how_it_was_started():
    birth = decode_birth(encode_birth(Room, {"a": (1,)}, 60.0, b"snapshot", 5.0))
    assert (birth.process, decode_args(birth), birth.ttl, birth.restored, birth.started) == (
        "shared.lab.Room", {"a": (1,)}, 60.0, b"snapshot", 5.0,
    )  # fmt: skip
