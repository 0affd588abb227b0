"""Flow matching (Lipman et al. 2023) on a straight path (rectified flow, Liu et al. 2023).

Latents at noise level sigma, from 1 down to 0, are (1 − sigma) · x₀ + sigma · noise, and the denoiser says their
velocity, noise − x₀. Diffusion's sigmas, which begin far above 1, mean something else.
"""

from __future__ import annotations

from typing import Any

import numpy
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor

FLOW_PREDICTION = "flow_prediction"
"""What diffusers calls a prediction of the velocity."""
PATCH = 2
"""Latent pixels along each side of what a flow-matching transformer sees as one token."""


class FlowEuler(FlowMatchEulerDiscreteScheduler):
    """diffusers' scheduler under the names that all its others have."""

    init_noise_sigma = 1.0

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """``sample`` itself: flow matching scales nothing."""
        return sample

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """``original_samples`` at the noise level of the step to come, in the shape of both."""
        return self.scale_noise(original_samples, timesteps, noise)


def is_flow(scheduler: Any) -> bool:
    """Whether a scheduler of :func:`desktop_app.engine.schedulers.build_scheduler` is one of flow matching."""
    return scheduler.config.prediction_type == FLOW_PREDICTION


def set_flow_timesteps(scheduler: Any, steps: int, noise: Tensor) -> None:
    """``scheduler.set_timesteps`` as diffusers' pipelines of FLUX call it, for latents in the shape of ``noise``.

    Where the scheduler shifts by size, larger pictures spend more of the steps at high noise (Esser et al. 2024).
    """
    options: dict[str, Any] = {}
    if isinstance(scheduler, FlowEuler):
        options["sigmas"] = numpy.linspace(1.0, 1 / steps, steps)
    if scheduler.config.get("use_dynamic_shifting"):
        options["mu"] = size_shift(scheduler.config, noise.shape[-2] * noise.shape[-1] // PATCH**2)
    scheduler.set_timesteps(steps, device=noise.device, **options)
    scheduler.set_begin_index(0)  # with many steps some have the same whole timestep, which then names none of them


def size_shift(config: Any, tokens: int) -> float:
    """mu, the logarithm of the shift: a line through two points of a scheduler's ``config``, at ``tokens``.

    Raises ``ValueError`` when both points are at the same number of tokens.
    """
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    base, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    if low == high:
        raise ValueError("base_image_seq_len equals max_image_seq_len")
    slope = (most - base) / (high - low)
    return tokens * slope + (base - slope * low)
