"""What watchers are told, as bytes and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions.shared.notices import Changed, Ended, Moved, Reborn, Wanted, encode, notice_of


@given(st.binary(max_size=40))
def test_noise_says_nothing(noise):
    assert notice_of(b"\xc1" + noise) is None


@pytest.mark.parametrize(
    "notice",
    [
        Changed(7, 1, b"01234567", 2, b"76543210", 1, {"tally": b"\x90", "topic": None}),
        Reborn(),
        Ended("terminated", "normal", 7),
        Moved("hall", 7, 3, b"01234567", b""),
        Wanted("me"),
    ],
)
def test_a_notice_comes_back_as_it_was(notice):
    assert notice_of(encode(notice)) == notice
