"""Where each dialect divides a prompt that is longer than the text encoder reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from desktop_app.core.catalog import A1111, COMFY, INVOKE, PLAIN, PROMPT_DIALECTS
from desktop_app.prompt.chunks import Token, split_chunks, tokenise
from desktop_app.prompt.emphasis import Piece


def tokens(*pieces: str) -> list[Token]:
    """A token for each piece; those with a "_" before them go on with the word before."""
    return [
        Token(at, piece.removeprefix("_"), 1.0, not piece.startswith("_"), 0, piece) for at, piece in enumerate(pieces)
    ]


def words(count: int) -> list[str]:
    return ["w</w>"] * count


def lengths(pieces: list[str], dialect: str, room: int = 75) -> list[int]:
    return [len(chunk) for chunk in split_chunks([tokens(*pieces)], dialect, room)]


def test_every_piece_is_encoded_by_itself_and_its_tokens_know_it() -> None:
    sections = [[Piece("ab c"), Piece("d", 1.5)], [Piece("e", 0.5)]]
    letters = tokenise(sections, lambda text: [(ord(a), a, at, at + 1) for at, a in enumerate(text) if a != " "])
    assert letters == [
        [
            Token(97, "a", 1.0, True, 0, "a"),
            Token(98, "b", 1.0, False, 0, "b"),
            Token(99, "c", 1.0, True, 0, "c"),
            Token(100, "d", 1.5, True, 1, "d"),
        ],
        [Token(101, "e", 0.5, True, 2, "e")],
    ]


def test_a1111_ends_after_a_comma_within_twenty_tokens() -> None:
    comma = ["_,</w>"]
    assert lengths([*words(54), *comma, *words(30)], A1111) == [75, 10]
    assert lengths([*words(55), *comma, *words(30)], A1111) == [56, 30]
    assert lengths([*words(60), *comma, *words(9), *comma, *words(30)], A1111) == [71, 30]
    assert lengths([*words(60), *comma, *words(14), *comma, *words(3)], A1111) == [75, 4]
    assert lengths([*words(60), *comma, *words(14)], A1111) == [75]


def test_comfy_keeps_words_of_few_tokens_whole() -> None:
    assert lengths([*words(73), "a", "_b", "_c</w>", *words(3)], COMFY) == [73, 6]
    assert lengths([*words(73), "a", *["_b"] * 6, *words(3)], COMFY) == [73, 10]
    assert lengths([*words(73), "a", *["_b"] * 7, *words(3)], COMFY) == [75, 9]
    assert lengths([*words(75), *words(3)], COMFY) == [75, 3]
    assert lengths(["a", *["_b"] * 99], COMFY) == [75, 25]


def test_invoke_ends_after_a_sentence_then_a_phrase_then_a_word() -> None:
    assert lengths([*words(20), "_.</w>", *words(30), "_,</w>", *words(40)], INVOKE) == [21, 71]
    assert lengths([*words(20), "_,</w>", *words(70)], INVOKE) == [21, 70]
    assert lengths([*words(70), *["_b"] * 8, *words(3)], INVOKE) == [70, 11]
    assert lengths(["b"] * 80, INVOKE) == [75, 5]


def test_plain_text_has_one_chunk_and_sections_have_their_own() -> None:
    assert lengths(words(200), PLAIN) == [75]
    sections = [tokens(*words(3)), [], tokens(*words(80))]
    assert [len(chunk) for chunk in split_chunks(sections, A1111)] == [3, 0, 75, 5]
    assert split_chunks([], A1111) == [[]]


@given(
    pieces=st.lists(st.sampled_from(["w</w>", "_,</w>", "_.</w>", "_b", "b"]), max_size=300),
    dialect=st.sampled_from([key for key in PROMPT_DIALECTS if key != PLAIN]),
    room=st.integers(1, 75),
)
def test_every_token_is_in_one_chunk_in_order(pieces: list[str], dialect: str, room: int) -> None:
    whole = tokens(*pieces)
    chunks = split_chunks([whole], dialect, room)
    assert [token for chunk in chunks for token in chunk] == whole
    assert all(0 < len(chunk) <= room for chunk in chunks) or chunks == [[]]
