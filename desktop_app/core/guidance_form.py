"""How the two predictions of classifier-free guidance are evaluated, and when which way."""

from __future__ import annotations

BATCHED, TWO_PASS, NONE = "batched", "two-pass", "none"
"""Both in one batch, one after the other, or the prompt's alone (guidance 1)."""
PIPELINE = "pipeline"
"""As diffusers' own pipeline does it, where a model runs through that."""
BATCHED_UP_TO = 64 * 64
"""Latent pixels (512 × 512 px) up to which a processor evaluates both halves in one batch."""
MEMORY_PER_LATENT = 512 * 1024
"""Bytes of a GPU's memory, per latent pixel, for which one batch is taken: 2 GiB at 512 × 512 px."""


def usual_form(kind: str, memory: int, guidance_scale: float, latent_pixels: int) -> str:
    """How to run guidance on a device of ``kind`` with ``memory`` bytes, as long as that fits.

    One batch is quicker: a little for large pictures, 1.7 times for those of 16 × 16 latent pixels. Two passes take
    half the memory for activations, which counts for large pictures. The choice depends on nothing that changes from
    run to run, because the two forms round differently.
    """
    if guidance_scale == 1:
        return NONE
    if kind == "cuda":
        return BATCHED if memory > latent_pixels * MEMORY_PER_LATENT else TWO_PASS
    return BATCHED if latent_pixels <= BATCHED_UP_TO else TWO_PASS
