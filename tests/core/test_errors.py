"""What errors say."""

from phoenix_sessions import BackendUnavailable


def test_an_engine_that_was_asked_again_in_vain_is_told_of_once() -> None:
    refused = BackendUnavailable(ConnectionRefusedError("connection refused"))
    given_up = BackendUnavailable(refused, maybe=True)
    assert str(given_up) == (
        "the engine of the shared backend cannot be asked, and it is unknown whether it was done: connection refused"
    )
