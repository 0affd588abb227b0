"""Long prompts: how tokens are divided into chunks that CLIP's text encoder can read, as each program divides them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from desktop_app.core.catalog import A1111, COMFY, INVOKE
from desktop_app.prompt.emphasis import Piece

NOTHING_LEARNED: Mapping[str, Any] = MappingProxyType({})
ROOM = 75
"""Tokens of a chunk, without the start and end marker."""
LOOK_BACK = 20
"""Tokens within which A1111 looks for the last comma of a full chunk."""
LONG_WORD = 8
"""Tokens from which on a word of ComfyUI's may be cut."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a prompt."""

    id: int
    piece: str
    """As the vocabulary spells it: ``","</w>`` is a comma."""
    weight: float
    starts_word: bool
    """Whether a space or the beginning of a piece is before it."""
    source: int
    """Index of the piece of the prompt that it comes from."""
    text: str
    """As it was typed."""
    learned: str = ""
    """Name of the textual inversion that it is a vector of."""
    vector: int = 0
    """Which of its vectors."""


Encode = Callable[[str], Sequence[tuple[int, str, int, int]]]
"""(id, piece of the vocabulary, start, end) of every token of a text, markers in it read as text."""


def tokenise(
    sections: Sequence[Sequence[Piece]], encode: Encode, lengths: Mapping[str, int] = NOTHING_LEARNED
) -> list[list[Token]]:
    """The tokens of each section, every piece encoded by itself.

    ``lengths`` says how many vectors a textual inversion has; each is a token, with the id 0 in its place.
    """
    found: list[list[Token]] = []
    source = 0
    for section in sections:
        found.append([])
        for piece in section:
            for vector in range(lengths[piece.learned] if piece.learned else 0):
                text = "" if vector else piece.text
                found[-1].append(Token(0, "", piece.weight, not vector, source, text, piece.learned, vector))
            for id, spelled, start, end in encode("" if piece.learned else piece.text):
                starts = start == 0 or piece.text[start - 1].isspace()
                found[-1].append(Token(id, spelled, piece.weight, starts, source, piece.text[start:end]))
            source += 1
    return found


def split_chunks(sections: Sequence[Sequence[Token]], dialect: str, room: int = ROOM) -> list[list[Token]]:
    """Chunks of at most ``room`` tokens, at least one; each section begins one of its own.

    A1111 ends a full chunk after its last comma if that is near; ComfyUI between words; InvokeAI after a sentence, else
    a phrase, else a word. In plain text there is one chunk, and what does not fit is left out.
    """
    end = _ENDS.get(dialect)
    if end is None:
        return [list(tokens[:room]) for tokens in sections] or [[]]
    chunks: list[list[Token]] = []
    for tokens in sections:
        start = 0
        while len(tokens) - start > room:
            after = start + _whole(tokens[start:], end(tokens[start:], room))
            chunks.append(list(tokens[start:after]))
            start = after
        chunks.append(list(tokens[start:]))
    return chunks or [[]]


def _whole(tokens: Sequence[Token], after: int) -> int:
    """``after``, or the beginning of the textual inversion that it would divide, unless that fills the chunk."""
    start = after
    while start and tokens[start].vector and tokens[start].learned:
        start -= 1
    return start or after


def _after_comma(tokens: Sequence[Token], room: int) -> int:
    if tokens[room].piece == ",</w>":
        return room
    near = range(room - 1, max(0, room - LOOK_BACK) - 1, -1)
    return next((index + 1 for index in near if tokens[index].piece == ",</w>"), room)


def _between_words(tokens: Sequence[Token], room: int) -> int:
    starts = [index for index in range(room + 1) if tokens[index].starts_word]
    start = starts[-1] if starts else 0
    if start in (0, room):
        return room
    following = (index for index in range(room + 1, len(tokens)) if tokens[index].starts_word)
    return room if next(following, len(tokens)) - start >= LONG_WORD else start


def _after_sentence(tokens: Sequence[Token], room: int) -> int:
    for ends in ((".</w>",), (".</w>", ",</w>", ";</w>", ":</w>")):
        if found := [index + 1 for index in range(room) if tokens[index].piece in ends]:
            return found[-1]
    return max((index + 1 for index in range(room) if tokens[index].piece.endswith("</w>")), default=room)


_ENDS: dict[str, Callable[[Sequence[Token], int], int]] = {
    A1111: _after_comma,
    COMFY: _between_words,
    INVOKE: _after_sentence,
}
