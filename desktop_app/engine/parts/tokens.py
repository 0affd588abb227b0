"""What a tokenizer makes of a text: ids in rows as long as the text encoder reads, weights, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from desktop_app.core.catalog import PLAIN
from desktop_app.core.messages import Message
from desktop_app.prompt.chunks import NOTHING_LEARNED, Encode, Token, split_chunks, tokenise
from desktop_app.prompt.emphasis import read_emphasis
from desktop_app.prompt.learned import with_learned


@dataclass(frozen=True, slots=True)
class Weights:
    """What the words of a text weigh, for those text encoders whose embeddings can be weighted."""

    dialect: str
    """Key of :data:`desktop_app.core.catalog.PROMPT_DIALECTS`."""
    values: Tensor
    """(rows, tokens), float32; 1 for markers and padding."""
    pieces: Tensor
    """(rows, tokens): number of the piece of the prompt that a token comes from, −1 for markers and padding."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids and attention mask, each (rows, tokens); a text has as many rows as it has chunks."""

    ids: Tensor
    mask: Tensor
    words_cut: int
    """How many words of the texts were left out at most."""
    chunks: int = 1
    """Rows of every text."""
    weights: Weights | None = None
    """None where all words weigh 1."""
    learned: tuple[tuple[int, int, Tensor], ...] = ()
    """(row, token, vector) wherever a textual inversion says how a token is embedded."""


@dataclass(frozen=True, slots=True)
class NoTexts:
    """Of a model that reads none, or reads them by itself."""

    notices: list[Message] = field(default_factory=list)


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


def read_prompt(
    tokenizer: Any, text: str, max_tokens: int, dialect: str, learned: Mapping[str, Tensor] = NOTHING_LEARNED
) -> Tokens:
    """``text`` in one of :data:`~desktop_app.core.catalog.PROMPT_DIALECTS`, for a tokenizer of CLIP.

    Everything but plain text is as long as it likes: in chunks of ``max_tokens``, start and end marker included.
    ``learned`` has the vectors, (tokens, width), of textual inversions by their names in lower case.
    """
    if dialect == PLAIN:
        return read_tokens(tokenizer, text, max_tokens, markers=2)
    pieces = with_learned(read_emphasis(text, dialect), learned, dialect)
    sections = tokenise(pieces, _encoder(tokenizer), {name: len(vectors) for name, vectors in learned.items()})
    chunks = split_chunks(sections, dialect, max_tokens - 2)
    rows = [_row(tokenizer, chunk, max_tokens) for chunk in chunks]
    ids, mask = (torch.tensor([row[place] for row in rows]) for place in (0, 1))
    values = torch.tensor([_padded([token.weight for token in chunk], 1.0, max_tokens) for chunk in chunks])
    pieces = torch.tensor([_padded([token.source for token in chunk], -1, max_tokens) for chunk in chunks])
    weights = Weights(dialect, values, pieces) if (values != 1).any() else None
    placed = tuple(
        (row, place, learned[token.learned][token.vector])
        for row, chunk in enumerate(chunks)
        for place, token in enumerate(chunk, start=1)
        if token.learned
    )
    return Tokens(ids, mask, 0, len(chunks), weights, placed)


def joined(texts: Sequence[Tokens]) -> Tokens:
    """Several texts of as many chunks each as one, in order."""
    ids, mask = torch.cat([text.ids for text in texts]), torch.cat([text.mask for text in texts])
    weighted = next((text.weights for text in texts if text.weights is not None), None)
    weights = None if weighted is None else _joined_weights(texts, weighted.dialect)
    before = accumulate((len(text.ids) for text in texts), initial=0)
    learned = tuple(
        (rows + row, *rest) for rows, text in zip(before, texts, strict=False) for row, *rest in text.learned
    )
    return Tokens(ids, mask, max(text.words_cut for text in texts), texts[0].chunks, weights, learned)


def _joined_weights(texts: Sequence[Tokens], dialect: str) -> Weights:
    neutral = [Weights(dialect, torch.ones(text.ids.shape), torch.full_like(text.ids, -1)) for text in texts]
    all_of_them = [text.weights or other for text, other in zip(texts, neutral, strict=True)]
    values, pieces = ([getattr(weights, name) for weights in all_of_them] for name in ("values", "pieces"))
    return Weights(dialect, torch.cat(values), torch.cat(pieces))


def lengthened(tokens: Tokens, empty: Tokens, chunks: int) -> Tokens:
    """``tokens`` of one text with ``empty`` chunks after its own, ``chunks`` in all."""
    missing = chunks - tokens.chunks
    if not missing:
        return tokens
    return replace(joined([tokens, *[empty] * missing]), chunks=chunks)


def _encoder(tokenizer: Any) -> Encode:
    def encode(text: str) -> list[tuple[int, str, int, int]]:
        read = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True, verbose=False
        )
        ids, places = read["input_ids"], read["offset_mapping"]
        spelled = tokenizer.convert_ids_to_tokens(ids)
        return [(id, piece, *place) for id, piece, place in zip(ids, spelled, places, strict=True)]

    return encode


def _row(tokenizer: Any, chunk: Sequence[Token], length: int) -> tuple[list[int], list[int]]:
    """Ids and attention mask of one chunk between its markers."""
    ids = [tokenizer.bos_token_id, *(token.id for token in chunk), tokenizer.eos_token_id]
    padding = length - len(ids)
    return ids + [tokenizer.pad_token_id] * padding, [1] * len(ids) + [0] * padding


def _padded(values: list[Any], other: float, length: int) -> list[Any]:
    """``values`` of a chunk's tokens, and ``other`` for its markers and padding."""
    return [other, *values, *[other] * (length - 1 - len(values))]
