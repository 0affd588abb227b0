"""Which words of a prompt a small model has never seen."""

from __future__ import annotations

import re
from collections.abc import Collection

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def unknown_words(prompt: str, vocabulary: Collection[str]) -> list[tuple[int, int]]:
    """(start, length) in characters of every word of ``prompt`` that is not in ``vocabulary`` (lower-case words).

    An empty vocabulary means that the model knows ordinary language: nothing is unknown.
    """
    if not vocabulary:
        return []
    words = _WORD.finditer(prompt)
    return [(word.start(), len(word[0])) for word in words if word[0].lower() not in vocabulary]
