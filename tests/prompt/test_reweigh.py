"""More and less weight at the cursor, and where the window paints syntax."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.core.catalog import A1111, COMFY, INVOKE, PLAIN, PROMPT_DIALECTS
from desktop_app.prompt.emphasis import read_emphasis
from desktop_app.prompt.highlight import syntax_spans
from desktop_app.prompt.reweigh import reweigh


def weighed(marked: str, steps: int, dialect: str = A1111) -> str:
    """``marked`` with a bar at the cursor, or one at both ends of the selection; so is the answer."""
    start, end = marked.index("|"), marked.rindex("|")
    text = marked.replace("|", "")
    end = start if end == start else end - 1
    edit = reweigh(text, start, end, steps, dialect)
    if edit is None:
        return marked
    new = text[: edit.start] + edit.text + text[edit.end :]
    return f"{new[: edit.first]}|{new[edit.first : edit.last]}|{new[edit.last :]}"


@pytest.mark.parametrize(
    ("before", "steps", "after"),
    [
        ("a r|ed house", 1, "a (|red|:1.05) house"),
        ("a |red| house", 2, "a (|red|:1.1) house"),
        ("a |red house|", -1, "a (|red house|:0.95)"),
        ("a (|red|:1.05) house", 1, "a (|red|:1.1) house"),
        ("a (r|ed:1.05) house", -1, "a |red| house"),
        ("a (|red|)", 1, "a (|red|:1.15)"),
        ("a [|red|]", 1, "a (|red|:0.96)"),
        ("red|, a house", 1, "(|red|:1.05), a house"),
        ("a <lora:in|k:0.5>", 1, "a |<lora:ink:0.55>|"),
        ("a <lora:in|k:0.5:1>", -1, "a |<lora:ink:0.5:0.95>|"),
        ("a , | b", 1, "a , | b"),
        ("|", 1, "|"),
        ("🏠 |red", 1, "🏠 (|red|:1.05)"),
    ],
)
def test_weights_at_the_cursor(before: str, steps: int, after: str) -> None:
    assert weighed(before, steps) == after


def test_every_dialect_writes_its_own() -> None:
    assert weighed("a r|ed house", 1, INVOKE) == "a (|red|)1.05 house"
    assert weighed("a (|red|)1.05 house", -1, INVOKE) == "a |red| house"
    assert weighed("a r|ed house", 1, COMFY) == "a (|red|:1.05) house"
    assert weighed("a r|ed house", 1, PLAIN) == "a r|ed house"
    assert weighed("<lora:i|nk:1>", 1, PLAIN) == "|<lora:ink:1.05>|"


@given(text=st.text(st.sampled_from("()[]:<>lora.1, a") | st.characters(), max_size=40), data=st.data())
def test_any_text_can_be_weighed_anywhere(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    dialect = data.draw(st.sampled_from(tuple(PROMPT_DIALECTS)))
    edit = reweigh(text, start, end, data.draw(st.sampled_from((-1, 1))), dialect)
    if edit:
        new = text[: edit.start] + edit.text + text[edit.end :]
        assert 0 <= edit.first <= edit.last <= len(new)
        assert read_emphasis(new, dialect)


def painted(text: str, dialect: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.start + span.length]) for span in syntax_spans(text, dialect)]


def test_syntax_is_painted_where_it_stands() -> None:
    assert painted(r"(red:1.2) \( BREAK <lora:ink:0.5> a", A1111) == [
        ("bracket", "("),
        ("bracket", ":1.2)"),
        ("bracket", "\\"),
        ("keyword", "BREAK"),
        ("lora", "<lora:ink:0.5>"),
    ]
    timed = [("schedule", "["), ("schedule", ":"), ("bracket", "("), ("bracket", ")"), ("schedule", ":3]")]
    assert painted("[a:(b):3] c", A1111) == timed
    assert painted("[a] [|b]", A1111) == [("bracket", "["), ("bracket", "]"), ("schedule", "[|"), ("schedule", "]")]
    assert painted("sun++ (x)1.3", INVOKE) == [("bracket", "++"), ("bracket", "("), ("bracket", ")1.3")]
    assert painted("(red:1.2) BREAK", PLAIN) == []
    assert painted("(red:1.2) BREAK", COMFY) == [("bracket", "("), ("bracket", ":1.2)")]


@given(text=st.text(st.sampled_from("()[]:|<>lora.1, a") | st.characters(), max_size=60))
def test_what_is_painted_lies_within_the_text(text: str) -> None:
    for dialect in PROMPT_DIALECTS:
        places = [(span.start, span.start + span.length) for span in syntax_spans(text, dialect)]
        assert all(start < end <= len(text) for start, end in places)
        assert all(before[1] <= after[0] for before, after in pairwise(places))
