"""Textual inversions (Gal et al. 2022) in a prompt: names that stand for vectors somebody has taught a text encoder."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from desktop_app.core.catalog import A1111, COMFY, INVOKE
from desktop_app.prompt.emphasis import Piece

_SPELLINGS = {A1111: r"(?<!\w)(?:embedding:)?({})(?!\w)", COMFY: r"embedding:({})(?!\w)", INVOKE: r"<({})>"}
"""How each dialect names one: by its file's name alone, with "embedding:" before it, or in angle brackets."""


def learned_in(text: str, names: Collection[str], dialect: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, name) of every textual inversion in ``text`` that is one of ``names``, in whatever case."""
    spelling = _SPELLINGS.get(dialect)
    if not spelling or not names:
        return
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(spelling.format("|".join(map(re.escape, longest_first))), re.IGNORECASE)
    for match in pattern.finditer(text):
        yield match.start(), match.end(), match[1].lower()


def with_names(text: str, names: Mapping[str, str], dialect: str) -> str:
    """``text`` with textual inversions called otherwise: ``names`` has the new by the old."""
    lower = {old.lower(): new for old, new in names.items()}
    for start, end, name in reversed(list(learned_in(text, lower, dialect))):
        at = text.lower().index(name, start, end)
        text = text[:at] + lower[name] + text[at + len(name) :]
    return text


def with_learned(sections: Sequence[Sequence[Piece]], names: Collection[str], dialect: str) -> list[list[Piece]]:
    """``sections`` in which every textual inversion is a piece of its own. ``names`` are in lower case."""
    return [[part for piece in section for part in _parts(piece, names, dialect)] for section in sections]


def _parts(piece: Piece, names: Collection[str], dialect: str) -> Iterator[Piece]:
    at = 0
    for start, end, name in learned_in(piece.text, names, dialect):
        if start > at:
            yield replace(piece, text=piece.text[at:start])
        yield replace(piece, text=piece.text[start:end], learned=name)
        at = end
    if at < len(piece.text):
        yield replace(piece, text=piece.text[at:])
