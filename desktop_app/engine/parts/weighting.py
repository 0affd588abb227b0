"""How the weights of words change a text encoder's embeddings, in each program's own way."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from desktop_app.core.catalog import A1111, INVOKE
from desktop_app.engine.parts.tokens import Tokens, Weights

Encode = Callable[[Tokens, Tensor | None], Tensor]
"""Embeddings (rows, tokens, width) of the tokens without weights; those that are False in (rows, tokens) are hidden."""
_LEAST = 1e-5
"""InvokeAI's least weight of a text that is taken away; 0 would divide by zero."""


def weigh(embeddings: Tensor, tokens: Tokens, empty: Tokens, encode: Encode) -> Tensor:
    """``embeddings`` of ``tokens``, (rows, tokens, width), weighted as their dialect does it.

    A1111 multiplies each embedding z by its weight w ("no norm": it does not restore the mean, which suits SDXL
    better). ComfyUI goes away from e, the embedding of an empty text in the same place: e + w · (z − e). InvokeAI does
    so too, and then mixes the result with that of the prompt without each piece that weighs less than 1, by
    tan((1 − w) · π / 2) to 1.
    """
    weights = tokens.weights
    if weights is None:
        return embeddings
    values = weights.values.to(embeddings.device, embeddings.dtype)[..., None]
    if weights.dialect == A1111:
        return embeddings * values
    nothing = encode(empty, None)
    weighted = _away_from(nothing, embeddings, values)
    return _lessened(weighted, nothing, values, tokens, weights, encode) if weights.dialect == INVOKE else weighted


def _away_from(nothing: Tensor, embeddings: Tensor, values: Tensor) -> Tensor:
    return torch.where(values == 1, embeddings, nothing + (embeddings - nothing) * values)


def _lessened(
    weighted: Tensor, nothing: Tensor, values: Tensor, tokens: Tokens, weights: Weights, encode: Encode
) -> Tensor:
    """The mean of ``weighted`` and of the texts that lack a piece of little weight, chunk by chunk."""
    total, shares = weighted, torch.ones_like(values[:, :1])
    for piece in weights.pieces[weights.values < 1].unique():
        there = weights.pieces == piece
        weight = torch.where(there, weights.values, 1).amin(dim=1).clamp(_LEAST, 1)  # 1 in chunks without it
        share = ((1 - weight) * math.pi / 2).tan().to(shares)[:, None, None]
        total = total + share * _away_from(nothing, encode(tokens, ~there), values)
        shares = shares + share
    return total / shares
