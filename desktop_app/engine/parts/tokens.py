"""What a tokenizer makes of a text: ids up to the text encoder's limit, and how much was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids and attention mask, each (texts, tokens), and how many words of the texts were left out at most."""

    ids: Tensor
    mask: Tensor
    words_cut: int


def read_tokens(tokenizer: Any, text: str, max_tokens: int, markers: int) -> Tokens:
    """``text`` as ``max_tokens`` tokens, padded or cut; ``markers`` of them begin and end it.

    Markers within the text, such as "<|endoftext|>", are read as text.
    """
    whole = tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True, verbose=False
    )
    room = max_tokens - markers
    cut = text[whole["offset_mapping"][room][0] :] if len(whole["input_ids"]) > room else ""
    padded = tokenizer(
        text,
        padding="max_length",
        max_length=max_tokens,
        truncation=True,
        return_tensors="pt",
        split_special_tokens=True,
    )
    return Tokens(padded.input_ids, padded.attention_mask, len(cut.split()))
