"""Sentences out of a model's own phrases."""

from __future__ import annotations

import random

import pytest

from desktop_app.prompt.surprise import surprise

SLOTS = (("a red", "an orange"), ("house", "tree"), ("", "with clouds"))
ALL = {
    f"{colour} {thing}{rest}"
    for colour in ("a red", "an orange")
    for thing in ("house", "tree")
    for rest in ("", " with clouds")
}


def test_every_sentence_can_come_and_no_other():
    rng = random.Random(1)
    assert {surprise(SLOTS, rng) for _ in range(400)} == ALL


def test_the_sentence_just_shown_never_comes_again():
    rng = random.Random(2)
    shown = surprise(SLOTS, rng)
    for _ in range(400):
        following = surprise(SLOTS, rng, shown)
        assert following != shown
        assert following in ALL
        shown = following


def test_two_sentences_take_turns_and_a_lone_one_repeats():
    rng = random.Random(3)
    assert {surprise((("a tree",), ("", "at night")), rng, "a tree") for _ in range(50)} == {"a tree at night"}
    assert surprise((("a tree",), ("", "")), rng, "a tree") == "a tree"
    assert surprise((), rng) == ""


def test_a_slot_without_phrases_is_refused():
    with pytest.raises(IndexError):
        surprise((("a",), ()), random.Random(4))
