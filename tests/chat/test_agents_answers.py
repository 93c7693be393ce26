"""What is a reply, and what an answer in parts comes to, however it is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_sessions.contrib.chat.agents.answers import END, BadAnswer, Parts, Reply, decode, reply_of

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ({"content": {"a": 1}}, Reply({"a": 1})),
        ({"content": "hi", "metadata": {"m": 1}}, Reply({"text": "hi"}, {"m": 1})),
        ({"text": "hi"}, Reply({"text": "hi"})),
        ({"text": "hi", "metadata": None}, Reply({"text": "hi"})),
        ({"content": None, "text": "hi"}, Reply({"text": "hi"})),
        ("hi", Reply({"text": "hi"})),
        ({"metadata": {"m": 1}}, None),
        ({"content": {"text": ""}}, None),
        (None, None),
    ],
)
def test_a_reply_is_an_object_or_a_text(answer, reply):
    assert reply_of(answer) == reply


@pytest.mark.parametrize("answer", [5, [], True, {"content": 5}, {"content": []}, {"text": "hi", "metadata": [1]}])
def test_anything_else_is_a_bad_answer(answer):
    with pytest.raises(BadAnswer):
        reply_of(answer)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b"nul"])
def test_what_is_no_json_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        decode(body)


def read(parts, body, cuts):
    told = []
    for begin, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        told.append(parts.feed(body[begin:end]))
    told.append(parts.feed(END))
    return "".join(told), parts.reply()


@given(st.lists(texts), st.data())
def test_parts_come_to_the_same_however_they_are_cut(said, data):
    events = data.draw(st.booleans())
    begin, end = ("data: ", "\r\n\r\n") if events else ("", "\n")
    body = "".join(f"{begin}{json.dumps({'text': text}, ensure_ascii=False)}{end}" for text in said).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)))))
    told, reply = read(Parts(events=events), body, cuts)
    assert told == "".join(said)
    assert reply == reply_of(told)


def test_events_may_be_plain_text_of_several_lines_and_have_an_end():
    body = b": hello\nevent: part\ndata: one\ndata:two\n\nretry: 5\n\ndata:  three\n\ndata: [DONE]\n\ndata: four\n\n"
    parts = Parts(events=True)
    assert parts.feed(body) == "one\ntwo three"
    assert parts.done
    assert parts.reply() == Reply({"text": "one\ntwo three"})


def test_an_object_with_content_says_the_whole():
    parts = Parts(events=False)
    assert parts.feed(b'{"text": "4"}\n{"content": {"text": "42"}, "metadata": {"m": 1}}\n') == "4"
    assert parts.reply() == Reply({"text": "42"}, {"m": 1})
