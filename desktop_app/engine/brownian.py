"""Noise along one Brownian path, which is how DPM++ SDE draws (Li et al. 2020, "virtual Brownian tree")."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler
from torch import Tensor

# The path's end is cut off in the last digit when torchsde asks whether a step lies on it; it takes the end then.
warnings.filterwarnings("ignore", "Should have t[ab]", module=r"torchsde\.")


def brownian_noise(sigmas: Tensor, like: Tensor, seed: int) -> Callable[[Tensor, Tensor], Tensor]:
    """(sigma, next sigma) -> noise of unit variance, in the shape and on the device of ``like``.

    The path runs from the largest to the smallest positive one of ``sigmas``. It is drawn on the CPU, as the first
    noise is, and so the same on every device.
    """
    positive = sigmas[sigmas > 0]
    sampler = BrownianTreeNoiseSampler(like.cpu(), positive.min().item(), positive.max().item(), seed)
    return lambda sigma, following: sampler(sigma, following).to(like.device)
