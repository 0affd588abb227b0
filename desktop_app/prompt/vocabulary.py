"""Which words of a prompt a small model has never seen, and which it takes for another."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def unknown_words(prompt: str, vocabulary: Collection[str]) -> list[tuple[int, int]]:
    """(start, length) in characters of every word of ``prompt`` that is not in ``vocabulary`` (lower-case words).

    An empty vocabulary means that the model knows ordinary language: nothing is unknown.
    """
    if not vocabulary:
        return []
    words = _WORD.finditer(prompt)
    return [(word.start(), len(word[0])) for word in words if word[0].lower() not in vocabulary]


def synonyms_in(prompt: str, synonyms: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """(start, length, what it stands for) of every word of ``prompt`` that is a key of ``synonyms`` (lower-case words).

    A word inside the very phrase it stands for is none: "balloon" in "hot air balloon".
    """
    spans = list(_WORD.finditer(prompt))
    words = [span[0].lower() for span in spans]
    return [
        (span.start(), len(span[0]), synonyms[word])
        for at, (span, word) in enumerate(zip(spans, words, strict=True))
        if word in synonyms and not _is_part_of(synonyms[word].split(), words, at)
    ]


def _is_part_of(phrase: list[str], words: list[str], at: int) -> bool:
    """Whether the word at index ``at`` belongs to an occurrence of ``phrase`` in ``words``."""
    starts = (at - offset for offset, part in enumerate(phrase) if part == words[at])
    return any(start >= 0 and words[start : start + len(phrase)] == phrase for start in starts)
