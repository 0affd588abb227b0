"""The one sampling loop: from noise to latents, one evaluation at a time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler
from diffusers.schedulers.scheduling_k_dpm_2_ancestral_discrete import KDPM2AncestralDiscreteScheduler
from torch import Tensor

from desktop_app.engine.brownian import brownian_noise
from desktop_app.engine.flow import FLOW_PREDICTION, is_flow, set_flow_timesteps
from desktop_app.engine.guidance import Predict

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample", FLOW_PREDICTION)
"""What a denoiser may be trained to say; see :func:`denoised_estimate`."""
_BETWEEN = ("sigmas_interpol", "sigmas_up", "sigmas_down")
"""Tables that DPM2 keeps beside ``sigmas``, for the middle of every step."""


@dataclass(frozen=True, slots=True)
class Denoised:
    """State after one evaluation of the denoiser. ``step`` counts the user's steps that are complete."""

    step: int
    latents: Tensor
    estimate: Tensor
    """The denoised estimate: what the finished latents would be if the prediction were right."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What another model has made of the noise: it went through a share of the schedule."""

    latents: Tensor
    share: float
    """0..1 of the training schedule's timesteps, the noisiest ones."""


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
    until: float = 1.0,
    handed: Handed | None = None,
) -> Iterator[Denoised]:
    """Denoise ``noise``, float32 of unit variance, in ``steps`` steps of ``scheduler``.

    ``noise`` is (1, channels, height, width), or (1, channels, frames, height, width) for a film. ``scheduler`` is any
    diffusers scheduler; stochastic ones draw from ``generator``. Yields after every evaluation: ``steps`` of them, or
    about twice as many where the scheduler is of second order (Heun, DPM2: 2 × steps − 1); PNDM takes one more.

    ``start``, latents in the shape of ``noise``, lets it begin partway (SDEdit, Meng et al. 2021): the first steps are
    skipped and ``noise`` is laid over it as the first one taken expects; see :func:`skipped_steps`, which may leave
    none. ``known``, (1, channels, n, height, width), holds the first n frames: before each evaluation they are replaced
    by themselves at its noise level (Video Diffusion Models, Ho et al. 2022, "replacement"), at the end by themselves.

    ``until``, 0..1, ends it after that share of the noise schedule, and ``handed`` begins it where another model ended
    it, which takes the place of ``start``; see :func:`evaluations_until`.
    """
    set_timesteps(scheduler, steps, noise)
    first, last = _first_evaluation(scheduler, steps, start, strength, handed), evaluations_until(scheduler, until)
    if first >= last:
        return
    if hasattr(scheduler, "set_begin_index"):  # it would look its place up by timestep, and Beta repeats some
        scheduler.set_begin_index(first)
    timesteps = scheduler.timesteps
    latents = _first_latents(scheduler, noise, start, handed, timesteps[first : first + 1])
    draws = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    if isinstance(scheduler, DPMSolverSDEScheduler):
        scheduler.noise_sampler = brownian_noise(scheduler.sigmas, noise, generator.initial_seed())
    for index, t in enumerate(timesteps[first:last], first):
        if known is not None:
            latents = _with_frames(latents, _noised(scheduler, known, noise[:, :, : known.shape[2]], t))
        model_input = scheduler.scale_model_input(latents, t)
        alpha, sigma = noise_level(scheduler, t)
        prediction = predict(model_input, t)
        latents = scheduler.step(prediction, t, latents, **draws, return_dict=False)[0]
        estimate = denoised_estimate(model_input, prediction, alpha, sigma, scheduler.config.prediction_type)
        done = _steps_before(len(timesteps) - 1 - index, scheduler.order, steps)
        if known is not None:
            estimate = _with_frames(estimate, known)
            latents = _with_frames(latents, known) if done == steps else latents
        yield Denoised(done, latents, estimate)


def skipped_steps(scheduler: Any, steps: int, strength: float) -> int:
    """How many of ``steps`` a start at ``strength`` in [0, 1] leaves out, as diffusers' ``get_timesteps`` counts.

    Its pipelines round down the steps that are taken; those of flow matching round down the steps left out.
    """
    if is_flow(scheduler):
        return int(steps - min(steps * strength, steps))
    return steps - min(int(steps * strength), steps)


def evaluations_until(scheduler: Any, share: float) -> int:
    """How many evaluations lie within the noisiest ``share``, 0..1, of the schedule's timesteps.

    Counted as diffusers' ``denoising_end`` and ``denoising_start`` count. Where a step takes two evaluations diffusers
    has the first model take half a step more, which the second one takes again; here a step belongs whole to the
    model that begins it.
    """
    if share == 1:
        return len(scheduler.timesteps)
    trained = scheduler.config.num_train_timesteps
    below = round(trained - share * trained)
    steps = int((scheduler.timesteps[:: scheduler.order] >= below).sum())
    return min(steps * scheduler.order, len(scheduler.timesteps))


def _first_evaluation(scheduler: Any, steps: int, start: Tensor | None, strength: float, handed: Handed | None) -> int:
    if handed is not None:
        return evaluations_until(scheduler, handed.share)
    return 0 if start is None else skipped_steps(scheduler, steps, strength) * scheduler.order


def _first_latents(
    scheduler: Any, noise: Tensor, start: Tensor | None, handed: Handed | None, timestep: Tensor
) -> Tensor:
    if handed is not None:
        return handed.latents
    return noise * scheduler.init_noise_sigma if start is None else scheduler.add_noise(start, noise, timestep)


def _steps_before(evaluations: int, order: int, steps: int) -> int:
    """Steps that are complete when so many ``evaluations`` are still to come.

    The last step takes one evaluation, the others ``order``; PNDM takes one more at its first step.
    """
    return max(0, steps - evaluations // order - (order - 1) * (evaluations > 0))


def _noised(scheduler: Any, known: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """``known`` at the noise level of the scheduler's current timestep ``t``, in the scale of its latents."""
    if _looks_again(scheduler):  # ``add_noise`` knows the steps, not what lies between them
        return known + _current_sigma(scheduler) * noise
    return scheduler.add_noise(known, noise, t[None])


def _with_frames(film: Tensor, first: Tensor) -> Tensor:
    """``film`` with its first frames replaced; both (1, channels, frames, height, width)."""
    return torch.cat([first, film[:, :, first.shape[2] :]], dim=2)


def set_timesteps(scheduler: Any, steps: int, noise: Tensor) -> None:
    """``scheduler.set_timesteps`` for latents in the shape of ``noise``, without timesteps below zero.

    diffusers' "trailing" spacing adds one for some numbers of steps (61, 103 …) by rounding; DDIM would look its noise
    level up from the wrong end of the table and spoil the picture with the last step. Schedulers of second order look
    there twice.
    """
    if is_flow(scheduler):
        set_flow_timesteps(scheduler, steps, noise)
        return
    scheduler.set_timesteps(steps, device=noise.device)
    if scheduler.config.get("timestep_type") == "continuous":
        return  # logarithms of sigmas, which may well be negative
    if (scheduler.timesteps >= 0).all():
        return
    kept = len(scheduler.timesteps) - scheduler.order
    scheduler.timesteps = scheduler.timesteps[:kept]
    if hasattr(scheduler, "sigmas"):
        scheduler.sigmas = torch.cat([scheduler.sigmas[:kept], scheduler.sigmas[-1:]])
    for name in _BETWEEN:  # zero from the last step on, which goes straight to the end
        if hasattr(scheduler, name):
            table = getattr(scheduler, name)
            setattr(scheduler, name, torch.cat([table[: kept - 1], table.new_zeros(2)]))


def noise_level(scheduler: Any, t: Tensor) -> tuple[Tensor, Tensor]:
    """(alpha, sigma) of the model input at the scheduler's current timestep ``t``.

    alpha² + sigma² = 1, but alpha + sigma = 1 in flow matching.

    Schedulers that walk along sigmas (Karras et al. 2022: x = x₀ + sigma · noise) name them by step index, which some
    of them know from the first step on only; the others look the cumulative product of alphas up by timestep.
    """
    if hasattr(scheduler, "sigmas"):
        sigma = _current_sigma(scheduler)
        if is_flow(scheduler):
            return 1 - sigma, sigma
        alpha = 1 / (sigma**2 + 1) ** 0.5
        return alpha, sigma * alpha
    alpha_squared = scheduler.alphas_cumprod[int(t)]
    return alpha_squared**0.5, (1 - alpha_squared) ** 0.5


def _current_sigma(scheduler: Any) -> Tensor:
    index = scheduler.begin_index or 0 if scheduler.step_index is None else scheduler.step_index
    if not _looks_again(scheduler):
        return scheduler.sigmas[index]
    if isinstance(scheduler, DPMSolverSDEScheduler):
        assert scheduler.mid_point_sigma is not None  # known since the step's first evaluation
        return scheduler.mid_point_sigma
    if isinstance(scheduler, KDPM2AncestralDiscreteScheduler):
        return scheduler.sigmas_interpol[index - 1]
    return getattr(scheduler, "sigmas_interpol", scheduler.sigmas)[index]


def _looks_again(scheduler: Any) -> bool:
    """Whether the evaluation to come is the second one of its step: of Heun at its end, of the others in its middle."""
    return not getattr(scheduler, "state_in_first_order", True)


def denoised_estimate(
    model_input: Tensor, prediction: Tensor, alpha: Tensor, sigma: Tensor, prediction_type: str
) -> Tensor:
    """x₀ from the model input x = alpha · x₀ + sigma · noise and what the model said about it.

    "epsilon": the prediction is the noise; "v_prediction": v = alpha · noise − sigma · x₀ (Salimans & Ho 2022);
    "sample": x₀ itself; "flow_prediction": noise − x₀. ``model_input`` is what the denoiser saw, after
    ``scale_model_input``, and variance preserving unless in flow matching.
    """
    match prediction_type:
        case "epsilon":
            return (model_input - sigma * prediction) / alpha
        case "v_prediction":
            return alpha * model_input - sigma * prediction
        case "sample":
            return prediction
        case "flow_prediction":
            return model_input - sigma * prediction
    raise ValueError(f"unknown prediction type {prediction_type!r}")
