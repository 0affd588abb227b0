"""Long prompts: how tokens are divided into chunks that CLIP's text encoder can read, as each program divides them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from desktop_app.core.catalog import A1111, COMFY, INVOKE
from desktop_app.prompt.emphasis import Piece

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


Encode = Callable[[str], Sequence[tuple[int, str, int, int]]]
"""(id, piece of the vocabulary, start, end) of every token of a text, markers in it read as text."""


def tokenise(sections: Sequence[Sequence[Piece]], encode: Encode) -> list[list[Token]]:
    """The tokens of each section, every piece encoded by itself."""
    found: list[list[Token]] = []
    source = 0
    for section in sections:
        found.append([])
        for piece in section:
            for id, spelled, start, end in encode(piece.text):
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
            after = start + end(tokens[start:], room)
            chunks.append(list(tokens[start:after]))
            start = after
        chunks.append(list(tokens[start:]))
    return chunks or [[]]


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
