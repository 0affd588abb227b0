"""Prompts that change from step to step."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.core.catalog import A1111, COMFY, INVOKE, PLAIN
from desktop_app.prompt.schedule import schedule, schedule_marks

STEPS = 10


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("a house", [(10, "a house")]),
        ("a [red:green:4] house", [(4, "a red house"), (10, "a green house")]),
        ("a [red:green:0.25] house", [(2, "a red house"), (10, "a green house")]),
        ("a [red: green : 1.0]", [(10, "a red")]),
        ("a [red:green:99]", [(10, "a red")]),
        ("a [red:green:0]", [(10, "a green")]),
        ("a [red:7]", [(7, "a "), (10, "a red")]),
        ("a [red::7]", [(7, "a red"), (10, "a ")]),
        ("[(red:1.2):3]", [(3, ""), (10, "(red:1.2)")]),
        ("[a:[b:c:6]:2]", [(2, "a"), (6, "b"), (10, "c")]),
        ("[a:[b|c]:8]", [(8, "a"), (9, "b"), (10, "c")]),
        ("a [red] (b:1.2) [x:y:z]", [(10, "a [red] (b:1.2) [x:y:z]")]),
        ("a [red:green", [(10, "a [red:green")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("(a [b:c:3]", [(3, "(a b"), (10, "(a c")]),
        (r"\[a:b:3\]", [(10, r"\[a:b:3\]")]),
        ("[a:(b:c:3]", [(10, "[a:(b:c:3]")]),
    ],
)
def test_from_to_when(text: str, stages: list[tuple[int, str]]) -> None:
    assert schedule(text, A1111, STEPS) == stages


def test_alternatives_take_turns() -> None:
    assert schedule("a [cow|horse||]", A1111, 6) == [
        (1, "a cow"),
        (2, "a horse"),
        (4, "a "),
        (5, "a cow"),
        (6, "a horse"),
    ]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("a [red:green:4] house", ["[", ":", ":", "4", "]"]),
        ("[a|[b:3]|] [c]", ["[", "|", "[", ":", "3", "]", "|", "]"]),
        ("[a:b] (c:1.2)", []),
    ],
)
def test_what_means_a_choice_is_marked(text: str, marked: list[str]) -> None:
    assert [text[start : start + length] for start, length in schedule_marks(text)] == marked


def test_only_one_dialect_has_schedules() -> None:
    for dialect in (PLAIN, COMFY, INVOKE):
        assert schedule("[a:b:3]", dialect, STEPS) == [(10, "[a:b:3]")]


@given(text=st.text(st.sampled_from("()[]:|\\.12ab ") | st.characters(), max_size=60), steps=st.integers(1, 40))
def test_any_text_gives_stages_up_to_the_last_step(text: str, steps: int) -> None:
    stages = schedule(text, A1111, steps)
    ends = [last for last, _ in stages]
    assert ends == sorted(set(ends))
    assert ends[-1] == steps
    assert all(before[1] != after[1] for before, after in pairwise(stages))
    if not set(text) & set("[]"):
        assert stages == [(steps, text)]


@pytest.mark.parametrize("text", ["[" * 10_000, "[a:" * 5_000 + "b" + ":3]" * 5_000, "[|" * 3_000 + "]" * 3_000])
def test_thousands_of_brackets_are_read(text: str) -> None:
    assert schedule(text, A1111, STEPS)[-1][0] == STEPS
