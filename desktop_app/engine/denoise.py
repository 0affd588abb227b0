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
    predict: Predict, scheduler: Any, noise: Tensor, steps: int, generator: torch.Generator
) -> Iterator[Denoised]:
    """Denoise ``noise``, (1, channels, height, width) float32 of unit variance, in ``steps`` steps of ``scheduler``.

    ``scheduler`` is any diffusers scheduler; stochastic ones draw from ``generator``. Yields after every evaluation:
    ``steps`` of them, or about twice as many where the scheduler is of second order (Heun: 2 × steps − 1).
    """
    set_timesteps(scheduler, steps, noise.device)
    latents = noise * scheduler.init_noise_sigma
    draws = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    last = len(scheduler.timesteps) - 1
    for index, t in enumerate(scheduler.timesteps):
        model_input = scheduler.scale_model_input(latents, t)
        alpha, sigma = noise_level(scheduler, t)
        prediction = predict(model_input, t)
        latents = scheduler.step(prediction, t, latents, **draws, return_dict=False)[0]
        estimate = denoised_estimate(model_input, prediction, alpha, sigma, scheduler.config.prediction_type)
        done = steps if index == last else min((index + 1) // scheduler.order, steps)
        yield Denoised(done, latents, estimate)


def set_timesteps(scheduler: Any, steps: int, device: torch.device) -> None:
    """``scheduler.set_timesteps`` without timesteps below zero.

    diffusers' "trailing" spacing adds one for some numbers of steps (61, 103 …) by rounding; DDIM would look its noise
    level up from the wrong end of the table and spoil the picture with the last step.
    """
    scheduler.set_timesteps(steps, device=device)
    valid = scheduler.timesteps >= 0
    if not valid.all():
        scheduler.timesteps = scheduler.timesteps[valid]
        if hasattr(scheduler, "sigmas"):
            scheduler.sigmas = torch.cat([scheduler.sigmas[: len(scheduler.timesteps)], scheduler.sigmas[-1:]])


def noise_level(scheduler: Any, t: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma), alpha² + sigma² = 1, of the model input at the scheduler's current timestep ``t``.

    Schedulers that walk along sigmas (Karras et al. 2022: x = x₀ + sigma · noise) name them by step index; the others
    look the cumulative product of alphas up by timestep.
    """
    if hasattr(scheduler, "sigmas"):
        sigma = scheduler.sigmas[scheduler.step_index or 0]
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
