"""Weights of words in every dialect, and texts of which none may be refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.core.catalog import A1111, COMFY, INVOKE, PLAIN, PROMPT_DIALECTS
from desktop_app.prompt.emphasis import Piece, read_emphasis, scan

SYNTAX = st.text(st.sampled_from("()[]:|\\,.+-1a B\n<>é") | st.characters(), max_size=60)
dialects = st.sampled_from(tuple(PROMPT_DIALECTS))


def read(text: str, dialect: str = A1111) -> list[tuple[str, float]]:
    (section,) = read_emphasis(text, dialect)
    return [(piece.text, piece.weight) for piece in section]


def test_the_example_that_everybody_quotes() -> None:
    assert read("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).") == [
        ("a ", 1.0),
        ("house", 1.573),
        (" ", 1.1),
        ("on", 1.0),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641),
        (".", 1.1),
    ]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("(a)", [("a", 1.1)]),
        ("((a))", [("a", 1.21)]),
        ("[a]", [("a", 0.909090909)]),
        ("(a:1.5)", [("a", 1.5)]),
        ("(a: .5 )b", [("a", 0.5), ("b", 1.0)]),
        ("(a:-1)", [("a", -1.0)]),
        ("(a (b:2) c:1.5)", [("a ", 1.5), ("b", 3.0), (" c", 1.5)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", 0.909090909)]),
        (r"\(a\) \[b\] \\", [(r"(a) [b] ", 1.0)]),
        ("a) b] c:1.2)", [("a) b] c:1.2)", 1.0)]),
        ("(a", [("a", 1.1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("()", []),
        ("12:30", [("12:30", 1.0)]),
    ],
)
def test_a1111(text: str, pieces: list[tuple[str, float]]) -> None:
    if text.endswith("\\\\"):
        pieces = [(pieces[0][0] + "\\", 1.0)]
    assert read(text) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("(a)", [("a", 1.1)]),
        ("((a:1.3))", [("a", 1.3)]),
        ("((a:1.3) b:1.5)", [("a", 1.3), (" b", 1.5)]),
        ("((a) b:1.5)", [("a", 1.65), (" b", 1.5)]),
        ("[a] BREAK", [("[a] BREAK", 1.0)]),
        ("(a", [("(a", 1.0)]),
        ("a)", [("a)", 1.0)]),
        (r"\(a\)", [("(a)", 1.0)]),
    ],
)
def test_comfy(text: str, pieces: list[tuple[str, float]]) -> None:
    assert read(text, COMFY) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a sun++, sea", [("a ", 1.0), ("sun", 1.21), (", sea", 1.0)]),
        ("sun--", [("sun", 0.81)]),
        ("(big sun)1.3 sea", [("big sun", 1.3), (" sea", 1.0)]),
        ("(big sun)0.5", [("big sun", 0.5)]),
        ("(a b+)-", [("a ", 0.9), ("b", 0.99)]),
        ("(a b) c", [("a b c", 1.0)]),
        ("well-lit c++ 3-4", [("well-lit ", 1.0), ("c", 1.21), (" 3-4", 1.0)]),
        ("(a) 1.3", [("a 1.3", 1.0)]),
        (r"c\+\+ \(a\)", [("c++ (a)", 1.0)]),
        ("(a", [("(a", 1.0)]),
        ("[a:1.2]", [("[a:1.2]", 1.0)]),
    ],
)
def test_invoke(text: str, pieces: list[tuple[str, float]]) -> None:
    assert read(text, INVOKE) == pieces


def test_break_parts_sections_and_takes_the_spaces_around_it() -> None:
    assert read_emphasis("a, (b BREAK c) BREAK\nd BREAKFAST", A1111) == [
        [Piece("a, "), Piece("b", 1.1)],
        [Piece("c", 1.1)],
        [Piece("d BREAKFAST")],
    ]
    assert read_emphasis("BREAK a BREAK BREAK", A1111) == [[], [Piece("a")], []]
    assert read_emphasis("a BREAK", A1111) == [[Piece("a")]]


def test_plain_text_and_unknown_dialects_are_text() -> None:
    assert read("(a:1.2) [b] c++", PLAIN) == [("(a:1.2) [b] c++", 1.0)]
    assert read_emphasis("", PLAIN) == [[]]


@given(text=SYNTAX, dialect=dialects)
def test_no_text_is_refused_and_none_is_lost(text: str, dialect: str) -> None:
    for section in read_emphasis(text, dialect):
        assert all(piece.text and not math.isnan(piece.weight) for piece in section)
    assert "".join(mark.text for mark in scan(text, dialect)) == text


@given(text=st.text(st.characters(blacklist_characters="()[]\\+-"), max_size=60), dialect=dialects)
def test_text_without_syntax_is_unchanged(text: str, dialect: str) -> None:
    if "BREAK" not in text:
        assert read_emphasis(text, dialect) == [[Piece(text)] if text else []]


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "(a" * 10_000, "[" * 10_000 + "]" * 10_000, "(a:1" * 9_999, "+" * 10**5]
)
def test_ten_thousand_brackets_are_read(text: str) -> None:
    for dialect in PROMPT_DIALECTS:
        assert read_emphasis(text, dialect)
