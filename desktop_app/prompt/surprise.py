"""A sentence out of a small model's own phrases, for those who have no idea yet."""

from __future__ import annotations

import random
from collections.abc import Sequence


def surprise(slots: Sequence[Sequence[str]], rng: random.Random, shown: str = "") -> str:
    """One phrase of each slot, in order; empty phrases are left out.

    Never ``shown`` again, unless there is no other sentence. ``IndexError`` for a slot without phrases.
    """
    phrases = [rng.choice(slot) for slot in slots]
    if _sentence(phrases) == shown:
        others = [(place, phrase) for place, slot in enumerate(slots) for phrase in slot if phrase != phrases[place]]
        if others:
            place, phrase = rng.choice(others)
            phrases[place] = phrase
    return _sentence(phrases)


def _sentence(phrases: Sequence[str]) -> str:
    return " ".join(phrase for phrase in phrases if phrase)
