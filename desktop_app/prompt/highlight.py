"""Where a prompt holds syntax, for whoever paints it: the same reading that the engine does, on the text as typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from desktop_app.core.catalog import A1111
from desktop_app.prompt.emphasis import scan
from desktop_app.prompt.schedule import schedule_marks
from desktop_app.prompt.tags import LoraTag, blanked, lora_tags


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` characters from ``start`` that are not drawn as they stand."""

    start: int
    length: int
    kind: str
    """"bracket" (brackets and the weights in them), "keyword" (BREAK), "schedule" or "lora"."""
    tag: LoraTag | None = None


def syntax_spans(text: str, dialect: str) -> list[Span]:
    """All syntax of ``text`` in order, no two of them overlapping; brackets are none where they are text."""
    rest = blanked(text)
    tags = [Span(tag.start, tag.length, "lora", tag) for tag in lora_tags(text)]
    timed = schedule_marks(rest) if dialect == A1111 else []
    taken = {start for start, _ in timed}
    brackets = (span for span in _brackets(rest, dialect) if span.start not in taken)
    return sorted([*tags, *brackets, *_joined(timed)], key=lambda span: span.start)


def _joined(marks: Iterable[tuple[int, int]]) -> Iterator[Span]:
    """What follows without a gap as one: a separator, the time and the bracket after it."""
    start = end = -1
    for place, length in marks:
        if place != end:
            if end > start:
                yield Span(start, end - start, "schedule")
            start = place
        end = place + length
    if end > start:
        yield Span(start, end - start, "schedule")


def _brackets(text: str, dialect: str) -> Iterator[Span]:
    for mark in scan(text, dialect):
        match mark.kind:
            case "open" | "close":
                yield Span(mark.start, len(mark.text), "bracket")
            case "break":
                yield Span(mark.start, len(mark.text), "keyword")
            case "escape":
                yield Span(mark.start, 1, "bracket")
            case "word":
                yield Span(mark.start + len(mark.plain), len(mark.weight), "bracket")
