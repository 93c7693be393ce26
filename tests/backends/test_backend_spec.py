"""The specification lists what the contract has: its verbs, its flags, and the fields of a commit."""

import inspect
import re
from pathlib import Path

from phoenix_sessions.backends.base import Backend, Commit, Record, Watcher
from phoenix_sessions.backends.conformance import BackendConformance

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/backend-spec.md").read_text()
LIFE = {"watch", "sweep", "close", "aclose"}  # told in prose


def first_cells(heading):
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return [re.split(r"\W", cell)[0] for cell in re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)]


def verbs():
    return [name for name in vars(Backend) if not name.startswith("_") and f"a{name}" in vars(Backend)]


def test_the_page_lists_every_verb_in_its_order():
    assert first_cells("Sessions") + first_cells("Leases") == [verb for verb in verbs() if verb not in LIFE]


def test_the_page_tells_of_the_verbs_that_are_in_no_table():
    assert [verb for verb in LIFE if f"`{verb}(" not in PAGE] == []


def test_the_page_shows_the_signatures_of_the_verbs():
    shown = dict(re.findall(r"^\| `(\w+)\((.*?)\)` \|", PAGE, re.MULTILINE))
    wanted = {verb: inspect.signature(getattr(Backend, verb)) for verb in verbs() if verb not in LIFE}
    plain = {
        verb: ", ".join(
            name if parameter.default is parameter.empty else f"{name}={parameter.default}"
            for name, parameter in signature.parameters.items()
            if name != "self"
        )
        for verb, signature in wanted.items()
    }
    assert {verb: shown[verb] for verb in plain} == plain


def test_the_page_lists_every_field_of_a_commit():
    assert first_cells("Commits") == list(Commit.__struct_fields__)


def test_the_page_shows_what_a_record_is():
    assert f"`Record({', '.join(Record.__struct_fields__)})`" in PAGE


def test_the_page_lists_what_a_watcher_is_told():
    assert first_cells("Watches") == [name for name in vars(Watcher) if not name.startswith("_")]


def test_the_page_tells_the_base_of_every_capability():
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [(name, str(vars(Backend)[name])) for name in Backend.__annotations__]


def test_the_page_lists_the_fixtures_that_a_subclass_gives():
    assert all(hasattr(BackendConformance, name) for name in first_cells("The conformance suite"))
