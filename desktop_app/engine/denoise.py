"""The one sampling loop: from noise to latents, one evaluation at a time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from desktop_app.engine.guidance import Predict

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
"""What a denoiser may be trained to say; see :func:`denoised_estimate`."""


@dataclass(frozen=True, slots=True)
class Denoised:
    """State after one evaluation of the denoiser. ``step`` counts the user's steps that are complete."""

    step: int
    latents: Tensor
    estimate: Tensor
    """The denoised estimate: what the finished latents would be if the prediction were right."""


@torch.inference_mode()
def denoise(
    predict: Predict,
    scheduler: Any,
    noise: Tensor,
    steps: int,
    generator: torch.Generator,
    *,
    start: Tensor | None = None,
    strength: float = 1.0,
    known: Tensor | None = None,
) -> Iterator[Denoised]:
    """Denoise ``noise``, float32 of unit variance, in ``steps`` steps of ``scheduler``.

    ``noise`` is (1, channels, height, width), or (1, channels, frames, height, width) for a film. ``scheduler`` is any
    diffusers scheduler; stochastic ones draw from ``generator``. Yields after every evaluation: ``steps`` of them, or
    about twice as many where the scheduler is of second order (Heun: 2 × steps − 1).

    ``start``, latents in the shape of ``noise``, lets it begin partway (SDEdit, Meng et al. 2021): the first steps are
    skipped and ``noise`` is laid over it as the first one taken expects; see :func:`skipped_steps`, which may leave
    none. ``known``, (1, channels, n, height, width), holds the first n frames: before each evaluation they are replaced
    by themselves at its noise level (Video Diffusion Models, Ho et al. 2022, "replacement"), at the end by themselves.
    """
    set_timesteps(scheduler, steps, noise.device)
    skipped = 0 if start is None else skipped_steps(steps, strength)
    timesteps = scheduler.timesteps[skipped * scheduler.order :]
    if not len(timesteps):
        return
    if (start is not None or known is not None) and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(skipped * scheduler.order)
    latents = noise * scheduler.init_noise_sigma if start is None else scheduler.add_noise(start, noise, timesteps[:1])
    draws = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    for index, t in enumerate(timesteps):
        if known is not None:
            latents = _with_frames(latents, scheduler.add_noise(known, noise[:, :, : known.shape[2]], t[None]))
        model_input = scheduler.scale_model_input(latents, t)
        alpha, sigma = noise_level(scheduler, t)
        prediction = predict(model_input, t)
        latents = scheduler.step(prediction, t, latents, **draws, return_dict=False)[0]
        estimate = denoised_estimate(model_input, prediction, alpha, sigma, scheduler.config.prediction_type)
        last = index == len(timesteps) - 1
        if known is not None:
            estimate = _with_frames(estimate, known)
            latents = _with_frames(latents, known) if last else latents
        done = steps if last else min(skipped + (index + 1) // scheduler.order, steps)
        yield Denoised(done, latents, estimate)


def skipped_steps(steps: int, strength: float) -> int:
    """How many of ``steps`` a start at ``strength`` in [0, 1] leaves out, as diffusers' ``get_timesteps`` counts."""
    return steps - min(int(steps * strength), steps)


def _with_frames(film: Tensor, first: Tensor) -> Tensor:
    """``film`` with its first frames replaced; both (1, channels, frames, height, width)."""
    return torch.cat([first, film[:, :, first.shape[2] :]], dim=2)


def set_timesteps(scheduler: Any, steps: int, device: torch.device) -> None:
    """``scheduler.set_timesteps`` without timesteps below zero.

    diffusers' "trailing" spacing adds one for some numbers of steps (61, 103 …) by rounding; DDIM would look its noise
    level up from the wrong end of the table and spoil the picture with the last step.
    """
    scheduler.set_timesteps(steps, device=device)
    if scheduler.config.get("timestep_type") == "continuous":
        return  # logarithms of sigmas, which may well be negative
    valid = scheduler.timesteps >= 0
    if not valid.all():
        scheduler.timesteps = scheduler.timesteps[valid]
        if hasattr(scheduler, "sigmas"):
            scheduler.sigmas = torch.cat([scheduler.sigmas[: len(scheduler.timesteps)], scheduler.sigmas[-1:]])


def noise_level(scheduler: Any, t: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma), alpha² + sigma² = 1, of the model input at the scheduler's current timestep ``t``.

    Schedulers that walk along sigmas (Karras et al. 2022: x = x₀ + sigma · noise) name them by step index, which some
    of them know from the first step on only; the others look the cumulative product of alphas up by timestep.
    """
    if hasattr(scheduler, "sigmas"):
        index = scheduler.begin_index or 0 if scheduler.step_index is None else scheduler.step_index
        sigma = scheduler.sigmas[index]
        alpha = 1 / (sigma**2 + 1) ** 0.5
        return alpha, sigma * alpha
    alpha_squared = scheduler.alphas_cumprod[int(t)]
    return alpha_squared**0.5, (1 - alpha_squared) ** 0.5


def denoised_estimate(
    model_input: Tensor, prediction: Tensor, alpha: Tensor, sigma: Tensor, prediction_type: str
) -> Tensor:
    """x₀ from the model input x = alpha · x₀ + sigma · noise and what the model said about it.

    "epsilon": the prediction is the noise; "v_prediction": v = alpha · noise − sigma · x₀ (Salimans & Ho 2022);
    "sample": x₀ itself. ``model_input`` is variance preserving: what the denoiser saw, after ``scale_model_input``.
    """
    match prediction_type:
        case "epsilon":
            return (model_input - sigma * prediction) / alpha
        case "v_prediction":
            return alpha * model_input - sigma * prediction
        case "sample":
            return prediction
    raise ValueError(f"unknown prediction type {prediction_type!r}")
