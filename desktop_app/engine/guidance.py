"""Classifier-free guidance (Ho & Salimans 2022): away from the unconditional prediction, toward the prompt's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Evaluate = Callable[..., Tensor]
"""(model input, timestep, text embeddings, what else it is told …) -> prediction, all with the same batch size."""
Predict = Callable[[Tensor, Tensor], Tensor]
"""(model input, timestep) -> guided prediction."""

BATCHED, TWO_PASS, NONE = "batched", "two-pass", "none"
BATCHED_UP_TO = 64 * 64
"""Latent pixels (512 × 512 px) up to which a processor evaluates both halves in one batch."""
MEMORY_PER_LATENT = 512 * 1024
"""Bytes of a GPU's memory, per latent pixel, for which one batch is taken: 2 GiB at 512 × 512 px."""


@dataclass(frozen=True, slots=True)
class Conditioning:
    """Text embeddings of shape (texts, tokens, width); ``negative`` is None where guidance is off.

    One text, or as many as a film has frames. Pooled embeddings, which stand for a whole text, are (texts, width).
    """

    positive: Tensor
    negative: Tensor | None


def choose_form(device: torch.device, guidance_scale: float, latent_pixels: int) -> str:
    """How to run guidance on ``device``: "batched", "two-pass", or "none" at guidance 1.

    One batch is quicker: a little for large pictures, 1.7 times for those of 16 × 16 latent pixels. Two passes take
    half the memory for activations, which counts for large pictures. The choice depends on nothing that changes from
    run to run, because the two forms round differently.
    """
    if guidance_scale == 1:
        return NONE
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        return BATCHED if memory > latent_pixels * MEMORY_PER_LATENT else TWO_PASS
    return BATCHED if latent_pixels <= BATCHED_UP_TO else TWO_PASS


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
