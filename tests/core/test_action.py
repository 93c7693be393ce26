"""Actions that cannot be are refused where they are sent, and nothing changes."""

import asyncio

import pytest

from phoenix_sessions import Action, InvalidAction, sessions

WRONG = [
    ("", {}),
    (None, {}),
    (b"counter.add", {}),
    (5, {}),
    (["counter.add"], {}),
    ("counter.add", {"meta": 5}),
    ("counter.add", {"meta": "who"}),
    ("counter.add", {"meta": [("by", "me")]}),
    ("counter.add", {"reducers": "counter"}),
    ("counter.add", {"reducers": [5]}),
    ("counter.add", {"reducers": 5}),
    ("counter.add", {"reducer_prefix": 5}),
    ("counter.add", {"reducer_prefix": ["counter"]}),
]


@pytest.mark.parametrize(("type_", "options"), WRONG)
@pytest.mark.parametrize(
    "verb",
    [
        lambda ref, *args, **options: ref.dispatch(*args, **options),
        lambda ref, *args, **options: ref.dispatch_nowait(*args, **options),
        lambda ref, *args, **options: asyncio.run(ref.adispatch(*args, **options)),
    ],
    ids=["dispatch", "dispatch_nowait", "adispatch"],
)
def test_a_wrong_action_is_refused_by_every_verb(verb, type_, options):
    ref = sessions.start_session("room")
    with pytest.raises(InvalidAction, match="must be"):
        verb(ref, type_, 1, **options)
    assert (ref.version, ref.get_state("counter.count")) == (0, 0)


def test_an_action_cannot_be_changed():
    action = Action("add", 1)
    with pytest.raises(AttributeError):
        action.type = "other"
    with pytest.raises(TypeError):
        action.meta["by"] = "me"
