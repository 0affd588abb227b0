"""``<lora:name:weight>`` in all its forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.prompt.tags import blanked, lora_tags, tag_text, without_tags


@pytest.mark.parametrize(
    ("text", "name", "text_weight", "weight"),
    [
        ("<lora:ink>", "ink", 1.0, 1.0),
        ("<lora:ink:0.8>", "ink", 0.8, 0.8),
        ("<lora:ink:0.5:0.9>", "ink", 0.5, 0.9),
        ("<lora:ink:0.5:0.9:16>", "ink", 0.5, 0.9),
        ("<lora:ink:te=0>", "ink", 0.0, 0.0),
        ("<lora:ink:te=0:unet=0.7>", "ink", 0.0, 0.7),
        ("<lora:ink:unet=0.7>", "ink", 1.0, 0.7),
        ("<lora:ink:0.4:unet=0.7:dyn=8>", "ink", 0.4, 0.7),
        ("<lora:my ink (v2).1:-1>", "my ink (v2).1", -1.0, -1.0),
        ("<lyco:ink:.5>", "ink", 0.5, 0.5),
    ],
)
def test_every_form(text: str, name: str, text_weight: float, weight: float) -> None:
    (tag,) = lora_tags(f"a house, {text}, at night")
    assert (tag.name, tag.text_weight, tag.weight, tag.malformed) == (name, text_weight, weight, "")
    assert (tag.start, tag.length) == (9, len(text))


def test_what_stands_where_a_number_is_expected_is_named() -> None:
    assert [tag.malformed for tag in lora_tags("<lora:a:strong> <lora:b:unet=x> <lora:c:nan>")] == [
        "strong",
        "x",
        "nan",
    ]


def test_tags_leave_the_text_and_others_stay() -> None:
    text = "a <lora:x:1>b <hypernet:y:1> <lora:> <b>"
    assert without_tags(text) == "a b <hypernet:y:1> <lora:> <b>"
    assert blanked(text) == "a " + " " * 10 + "b <hypernet:y:1> <lora:> <b>"


@given(text=st.text(st.sampled_from("<>:=lora.1 ") | st.characters(), max_size=60))
def test_any_text_is_read(text: str) -> None:
    tags = lora_tags(text)
    assert len(blanked(text)) == len(text)
    assert len(without_tags(text)) == len(text) - sum(tag.length for tag in tags)


@given(weight=st.integers(-400, 400), text_weight=st.none() | st.integers(-400, 400))
def test_a_written_tag_is_read_again(weight: int, text_weight: int | None) -> None:
    (tag,) = lora_tags(tag_text("ink", weight / 100, None if text_weight is None else text_weight / 100))
    assert tag.weight == weight / 100
    assert tag.text_weight == (weight if text_weight is None else text_weight) / 100
