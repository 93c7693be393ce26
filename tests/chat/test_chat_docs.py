"""The chat's pages list all there is: settings, operations, frames, close codes, metrics."""

import ast
import json
import re
from pathlib import Path

import msgspec
import pytest

from phoenix_sessions.contrib.chat import conf, metrics, types
from phoenix_sessions.contrib.chat.api import api
from phoenix_sessions.contrib.chat.api.answers import STATUS, refused
from phoenix_sessions.contrib.chat.consumers import codes, frames
from phoenix_sessions.contrib.chat.errors import ChatError
from phoenix_sessions.contrib.chat.storage import checks

DOCS = Path(__file__).resolve().parents[2] / "docs/chat"


def rows(page, section=None):
    """Return the rows of the tables of a page, or of one of its sections."""
    text = (DOCS / page).read_text()
    if section is not None:
        [text] = re.findall(rf"^#+ {re.escape(section)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]


def words(cells):
    return [word for cell in cells for word in re.findall(r"`([\w/{}. -]+)`", cell)]


def test_the_settings_are_listed_with_their_defaults():
    listed = [
        (key.strip("`"), default.strip("`"))
        for key, default, *rest in rows("operations.md", "Settings")[2:]
        if len(rest) == 2
    ]
    fields = msgspec.structs.fields(conf.Config)
    defaults = [(field.encode_name, getattr(conf.Config(), field.name)) for field in fields]
    assert [(key, ast.literal_eval(default)) for key, default in listed] == defaults


def test_the_example_of_the_settings_is_valid(settings):
    [example] = re.findall(r"^PHOENIX_SESSIONS_CHAT = (\{.+\})$", (DOCS / "operations.md").read_text(), re.MULTILINE)
    settings.PHOENIX_SESSIONS_CHAT = ast.literal_eval(example)
    conf.get_config()


def test_every_operation_of_the_api_is_listed():
    schema = api.get_openapi_schema(path_prefix="")
    there = {f"{verb.upper()} {path.strip('/')}" for path, verbs in schema["paths"].items() for verb in verbs}
    assert {word for word in words(row[0] for row in rows("http.md")) if " " in word} == there


def told_operations():
    """Yield the operations of http.md: the method and path, what they answer, and which fields are told."""
    for name, answers, text, *_ in rows("http.md", "Bodies and answers"):
        if re.match(r"`[A-Z]+ ", name):
            fields = re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", text))
            yield name.strip("`"), set(answers.split(", ")), set(fields)


def fields_of(schema, operation):
    """Return what an operation is given in its query and its body."""
    body = operation.get("requestBody", {"content": {"application/json": {"schema": {}}}})
    given = json.dumps(body["content"]["application/json"]["schema"])
    models = [schema["components"]["schemas"][name] for name in re.findall(r"schemas/(\w+)", given)]
    query = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
    return query.union(*(model["properties"] for model in models))


def test_every_operation_is_told_with_its_fields_and_what_it_answers():
    schema = api.get_openapi_schema(path_prefix="")
    there = {
        f"{verb.upper()} {path.strip('/')}": (
            {status for status in map(str, operation["responses"]) if status < "300"},
            fields_of(schema, operation),
        )
        for path, verbs in schema["paths"].items()
        for verb, operation in verbs.items()
    }
    assert {name: (answers, fields) for name, answers, fields in told_operations()} == there


def test_the_examples_of_answers_have_the_fields_that_answers_have():
    page, refusal = re.findall(r"```text\n(.*?)```", (DOCS / "http.md").read_text(), re.DOTALL)
    fields = {*types.Message.__struct_fields__, *types.HistoryPage.__struct_fields__, "text"}
    assert set(re.findall(r'"(\w+)":', page)) == fields
    with pytest.raises(ChatError) as caught:
        checks.limit(0)
    assert json.loads(refusal) == json.loads(refused(caught.value).content)


def test_every_refusal_is_listed_with_its_status():
    told = {(code.strip("`"), int(status)) for status, code, _ in rows("http.md", "Refusals")[2:]}
    own = {("malformed", 400), ("unauthenticated", 401), ("method_not_allowed", 405), ("unsupported_type", 415)}
    assert told == set(STATUS.items()) | own


def tags(union):
    frames_of = [(each.__struct_config__.tag, msgspec.structs.fields(each)) for each in union.__args__]
    return {tag: {field.encode_name for field in fields} for tag, fields in frames_of}


def told_frames(section):
    listed = [(words([row[0]]), row[1]) for row in rows("sockets.md", section)[2:]]
    return {name: set(words([fields])) for [name], fields in listed}


def test_every_frame_of_a_client_is_listed():
    assert told_frames("From the client") == tags(frames.InFrame)


def test_every_frame_of_the_server_is_listed():
    ours = {name: fields - {"conversation"} if name in CONVERSATION_KNOWN else fields for name, fields in OUT.items()}
    assert told_frames("From the server") | told_frames("The inbox") == ours


OUT = tags(frames.OutFrame)
CONVERSATION_KNOWN = {"read", "removed", "typing", "presence", "stream_chunk"}
"""Frames whose conversation is that of the socket."""


def test_every_close_code_is_listed():
    told = {int(row[0]) for row in rows("sockets.md", "Close codes")[2:]}
    assert told == {value for name, value in vars(codes).items() if name.isupper()}


def test_every_metric_is_listed():
    there = re.findall(r"^# TYPE (\w+) ", metrics.exposition(), re.MULTILINE)
    told = [row[0].strip("`").partition("{")[0] for row in rows("operations.md", "What to watch")]
    assert [name for name in told if name.startswith("phoenix_chat_")] == there
