"""More or less weight for the words at the cursor, as Ctrl+Up and Ctrl+Down give it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from desktop_app.core.catalog import A1111, COMFY, INVOKE
from desktop_app.prompt.emphasis import EMPHASIS, Mark, scan
from desktop_app.prompt.tags import lora_tags, tag_text

STEP = 0.05
_WORD = re.compile(r"[^\s,.:;()\[\]\\<>|+]+")
_LOWEST, _HIGHEST = -10.0, 10.0


@dataclass(frozen=True, slots=True)
class Edit:
    """Put ``text`` in the place of what is from ``start`` to ``end``, and select from ``first`` to ``last`` then."""

    start: int
    end: int
    text: str
    first: int
    last: int


def reweigh(text: str, start: int, end: int, steps: int, dialect: str) -> Edit | None:
    """``steps`` times :data:`STEP` more weight for what is selected from ``start`` to ``end``, or the word there.

    A LoRA's tag at the cursor gets another weight, and so does the innermost bracket whose content is selected or that
    holds a single word. A bracket of weight 1 goes away. None where there is no word, or no weights are read.
    """
    for tag in lora_tags(text):
        if tag.start <= start and end <= tag.start + tag.length:
            new = tag_text(
                tag.name, _moved(tag.weight, steps), None if tag.text_weight == tag.weight else tag.text_weight
            )
            return Edit(tag.start, tag.start + tag.length, new, tag.start, tag.start + len(new))
    if dialect not in (A1111, COMFY, INVOKE):
        return None
    first, last = (start, end) if end > start else _word_at(text, start)
    if first == last:
        return None
    outer = _bracket_around(text, first, last, dialect)
    if outer is None:
        return _wrapped(text, first, last, first, last, _moved(1.0, steps), dialect)
    opening, closing = outer
    inner_start, inner_end = opening.start + len(opening.text), closing.start
    weight = _moved(_weight(opening, closing, dialect), steps)
    return _wrapped(text, inner_start, inner_end, opening.start, closing.start + len(closing.text), weight, dialect)


def _moved(weight: float, steps: int) -> float:
    return min(_HIGHEST, max(_LOWEST, round(weight + steps * STEP, 2)))


def _word_at(text: str, at: int) -> tuple[int, int]:
    return next((match.span() for match in _WORD.finditer(text) if match.start() <= at <= match.end()), (at, at))


def _bracket_around(text: str, first: int, last: int, dialect: str) -> tuple[Mark, Mark] | None:
    """The pair whose whole content is from ``first`` to ``last``."""
    marks = scan(text, dialect)
    for mark in marks:
        if mark.kind == "open" and mark.partner >= 0 and mark.start + len(mark.text) == first:
            closing = marks[mark.partner]
            if closing.start == last:
                return mark, closing
    return None


def _weight(opening: Mark, closing: Mark, dialect: str) -> float:
    if opening.text == "[":
        return 1 / EMPHASIS
    if closing.weight.strip("+-"):
        return float(closing.weight)
    return EMPHASIS if dialect != INVOKE else 1.0


def _wrapped(text: str, first: int, last: int, start: int, end: int, weight: float, dialect: str) -> Edit:
    """The words from ``first`` to ``last`` with ``weight``, in the place of what is from ``start`` to ``end``."""
    words = text[first:last]
    if weight == 1:
        return Edit(start, end, words, start, start + len(words))
    new = f"({words}){weight:g}" if dialect == INVOKE else f"({words}:{weight:g})"
    return Edit(start, end, new, start + 1, start + 1 + len(words))
