"""Weights of words: ``(word:1.2)`` and its kin, in the dialects of several programs.

Re-implemented from what the programs' users are told, as a scanner that takes every text: what is no syntax is text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from desktop_app.core.catalog import A1111, COMFY, INVOKE

EMPHASIS = 1.1
"""What one pair of brackets multiplies a weight by."""
MINUS = 0.9
"""What one "-" does in InvokeAI, where "+" is :data:`EMPHASIS`."""
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"

_A1111 = re.compile(
    rf"""(?P<escape>\\[\\()\[\]]) | (?P<open>[(\[]) | (?P<close>:\s*(?P<weight>{_NUMBER})\s*\)|[)\]])
    | (?P<break>\bBREAK\b) | (?P<text>[^\\()\[\]:B]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_COMFY = re.compile(
    rf"""(?P<escape>\\[()]) | (?P<open>\() | (?P<close>:\s*(?P<weight>{_NUMBER})\s*\)|\)) | (?P<text>[^\\():]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_INVOKE = re.compile(
    rf"""(?P<escape>\\[()+-]) | (?P<open>\() | (?P<close>\)(?P<weight>\++|-+(?![\d.])|{_NUMBER})?)
    | (?P<word>[^\s\\()+,-]+(?:[+-][^\s\\()+,-]+)*)(?P<sign>\++|-+)(?=[\s(),.]|$)
    | (?P<text>[^\s\\()+,-]+(?:[+-][^\s\\()+,-]+)*|.)""",
    re.VERBOSE | re.DOTALL,
)
_SYNTAX = {A1111: _A1111, COMFY: _COMFY, INVOKE: _INVOKE}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text and what its words weigh; 1 is neither more nor less than usual."""

    text: str
    weight: float = 1.0
    learned: str = ""
    """Name of the textual inversion that the text stands for; see :mod:`desktop_app.prompt.learned`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing that the scanner saw, ``text`` at ``start`` in the prompt."""

    kind: str
    """"open", "close", "break", "escape", "word" (with a sign after it) or "text"."""
    start: int
    text: str
    plain: str = ""
    """The text itself, without escape or sign."""
    weight: str = ""
    """As written: a number or signs."""
    partner: int = -1
    """Index of the bracket that this one belongs to, if it has one."""


def read_emphasis(text: str, dialect: str) -> list[list[Piece]]:
    """The pieces of ``text`` in order, in sections that ``BREAK`` parts; a last section with nothing in it is none.

    In A1111's dialect nested weights multiply, and brackets that nobody closes reach to the end. In ComfyUI's a weight
    that is written out counts as it is, whatever is around it. A bracket without its partner is text otherwise.
    """
    weighed = list(_weighed(scan(text, dialect), dialect))
    breaks = [index for index, (mark, _) in enumerate(weighed) if mark.kind == "break"]
    if not breaks:
        return [_pieces(weighed)]
    sections = [
        _stripped(_pieces(weighed[before + 1 : after])) for before, after in pairwise((-1, *breaks, len(weighed)))
    ]
    return sections if sections[-1] else sections[:-1]


def scan(text: str, dialect: str) -> list[Mark]:
    """What is syntax in ``text`` and what is not, in order and without gaps. All of it text where nothing is read."""
    if dialect not in _SYNTAX:
        return [Mark("text", 0, text, text)] if text else []
    marks = [_mark(match) for match in _SYNTAX[dialect].finditer(text)]
    return [_as_read(mark, dialect) for mark in _paired(marks)]


def _mark(match: re.Match[str]) -> Mark:
    found = match.groupdict()
    kind = next(name for name in ("escape", "open", "close", "break", "word", "text") if found.get(name) is not None)
    plain = {"escape": match[0][1:], "word": found.get("word") or ""}.get(kind, match[0])
    return Mark(kind, match.start(), match[0], plain, found.get("sign") or found.get("weight") or "")


def _paired(marks: Sequence[Mark]) -> list[Mark]:
    """Brackets that know their partners; round and square ones are counted by themselves."""
    opened: dict[str, list[int]] = {"(": [], "[": []}
    partners: dict[int, int] = {}
    for index, mark in enumerate(marks):
        if mark.kind == "open":
            opened[mark.text].append(index)
        elif mark.kind == "close" and (before := opened[_opening(mark)]):
            partners[index] = before[-1]
            partners[before.pop()] = index
    return [replace(mark, partner=partners[index]) if index in partners else mark for index, mark in enumerate(marks)]


def _opening(mark: Mark) -> str:
    return "[" if mark.text == "]" else "("


def _as_read(mark: Mark, dialect: str) -> Mark:
    """A bracket without its partner becomes text, but for those that A1111 lets reach to the end."""
    lonely = mark.partner < 0 and (mark.kind == "close" or (mark.kind == "open" and dialect != A1111))
    return Mark("text", mark.start, mark.text, mark.text) if lonely else mark


def _weighed(marks: Sequence[Mark], dialect: str) -> Iterator[tuple[Mark, float]]:
    """All that is not a bracket, with its weight."""
    inside: dict[str, list[float]] = {"(": [1.0], "[": [1.0]}
    for mark in marks:
        if mark.kind == "open":
            written = marks[mark.partner].weight if mark.partner >= 0 else ""
            inside[mark.text].append(_inner_weight(inside[mark.text][-1], mark.text, written, dialect))
        elif mark.kind == "close":
            inside[_opening(mark)].pop()
        else:
            weight = inside["("][-1] * inside["["][-1]
            yield mark, weight * _factor(mark.weight) if mark.kind == "word" else weight


def _inner_weight(outer: float, bracket: str, written: str, dialect: str) -> float:
    if bracket == "[":
        return outer / EMPHASIS
    if written:
        return _factor(written) if dialect == COMFY else outer * _factor(written)
    return outer if dialect == INVOKE else outer * EMPHASIS


def _factor(written: str) -> float:
    """A number, or the power that a run of signs stands for."""
    if set(written) == {"+"}:
        return _power(EMPHASIS, len(written))
    return _power(MINUS, len(written)) if set(written) == {"-"} else float(written)


def _power(base: float, times: int) -> float:
    try:
        return base**times
    except OverflowError:
        return math.inf


def _pieces(weighed: Sequence[tuple[Mark, float]]) -> list[Piece]:
    """Neighbours of one weight together."""
    runs = groupby(weighed, key=lambda pair: round(pair[1], 9))  # 1.1 / 1.1 is to be 1
    return [Piece("".join(mark.plain for mark, _ in run), weight) for weight, run in runs]


def _stripped(pieces: list[Piece]) -> list[Piece]:
    """Without the spaces around ``BREAK``."""
    if pieces:
        pieces[-1] = Piece(pieces[-1].text.rstrip(), pieces[-1].weight)
        pieces[0] = Piece(pieces[0].text.lstrip(), pieces[0].weight)
    return [piece for piece in pieces if piece.text]
