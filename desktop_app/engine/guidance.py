"""Classifier-free guidance (Ho & Salimans 2022): away from the unconditional prediction, toward the prompt's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from desktop_app.core.guidance_form import NONE, TWO_PASS

Evaluate = Callable[..., Tensor]
"""(model input, timestep, text embeddings, what else it is told …) -> prediction, all with the same batch size."""
Predict = Callable[[Tensor, Tensor], Tensor]
"""(model input, timestep) -> guided prediction."""


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Text embeddings of shape (texts, tokens, width); ``negative`` is None where guidance is off.

    One text, or as many as a film has frames. Pooled embeddings, which stand for a whole text, are (texts, width).
    """

    positive: Tensor
    negative: Tensor | None


def guided(evaluate: Evaluate, conditioning: Conditioning, scale: float, form: str, *more: Conditioning) -> Predict:
    """The guided prediction ``u + scale * (c - u)`` as a function of (model input, timestep).

    ``more`` is what ``evaluate`` takes after the text embeddings, for the prompt and for the negative one.
    """
    told = (conditioning, *more)
    positive = [part.positive for part in told]
    negative = [part.negative for part in told if part.negative is not None]
    if form == NONE or not negative:
        return lambda latents, t: evaluate(latents, t, *positive)

    def combine(unconditional: Tensor, conditional: Tensor) -> Tensor:
        return unconditional + scale * (conditional - unconditional)

    if form == TWO_PASS:
        return lambda latents, t: combine(evaluate(latents, t, *negative), evaluate(latents, t, *positive))
    both = [torch.cat([without.expand_as(told), told]) for without, told in zip(negative, positive, strict=True)]
    return lambda latents, t: combine(*evaluate(torch.cat([latents, latents]), t, *both).chunk(2))
