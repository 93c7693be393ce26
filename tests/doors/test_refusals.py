"""What a browser is told whose action failed: whether it was applied, as far as anybody knows."""

import pytest

from phoenix_sessions import (
    Action,
    BackendError,
    BackendUnavailable,
    Conflict,
    Fenced,
    InvalidSnapshot,
    MailboxFull,
    NotSerializable,
    ReducerError,
    StateMutated,
    StateTooLarge,
)
from phoenix_sessions.refusals import REFUSALS, refusal

ID = "v" * 32
FAILURES = {
    MailboxFull(ID, 10_000): "busy",
    BackendUnavailable("as asked"): "unavailable",
    Conflict(ID): "unavailable",
    Fenced(ID, 7): "unavailable",
    BackendUnavailable("as asked", maybe=True): "in_doubt",
    BackendError("another kind of server"): "engine_failed",
    ReducerError("counter", Action("counter.add"), ValueError("as asked")): "action_failed",
    StateMutated("counter", "add", during=True): "action_failed",
    NotSerializable("counter", object(), "as asked"): "action_failed",
    StateTooLarge(ID, 600, 500): "action_failed",
    InvalidSnapshot("of another class"): "action_failed",
}
ALL = [pytest.param(error, code, id=f"{type(error).__name__}-{code}") for error, code in FAILURES.items()]


@pytest.mark.parametrize(("error", "code"), ALL)
def test_each_failure_has_a_code(error, code):
    assert refusal(error, 7, applied=False).code == code


@pytest.mark.parametrize(("error", "code"), ALL)
def test_behind_an_action_that_was_applied_only_its_effect_is_missing(error, code):
    assert refusal(error, 7, applied=True).code == "not_started"


def test_all_of_them_are_answered():
    assert {type(error) for error in FAILURES} == {*REFUSALS, BackendUnavailable, Conflict, Fenced}


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize(("error", "code"), ALL)
def test_without_debug_nothing_of_the_failure_is_told(error, code, applied):
    assert "as asked" not in refusal(error, 7, applied=applied).message
