"""How each scheduler of :data:`desktop_app.core.catalog.SCHEDULERS` is built, under the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.schedulers.scheduling_deis_multistep import DEISMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_sde import DPMSolverSDEScheduler
from diffusers.schedulers.scheduling_euler_ancestral_discrete import EulerAncestralDiscreteScheduler
from diffusers.schedulers.scheduling_euler_discrete import EulerDiscreteScheduler
from diffusers.schedulers.scheduling_heun_discrete import HeunDiscreteScheduler
from diffusers.schedulers.scheduling_k_dpm_2_ancestral_discrete import KDPM2AncestralDiscreteScheduler
from diffusers.schedulers.scheduling_k_dpm_2_discrete import KDPM2DiscreteScheduler
from diffusers.schedulers.scheduling_lcm import LCMScheduler
from diffusers.schedulers.scheduling_lms_discrete import LMSDiscreteScheduler
from diffusers.schedulers.scheduling_pndm import PNDMScheduler
from diffusers.schedulers.scheduling_unipc_multistep import UniPCMultistepScheduler

from desktop_app.core.catalog import SCHEDULERS as FACTS
from desktop_app.core.errors import AppError, RequestError
from desktop_app.engine.denoise import PREDICTION_TYPES
from desktop_app.engine.flow import FLOW_PREDICTION, FlowEuler, size_shift

SCHEDULERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ddim": (DDIMScheduler, {}),
    "ddpm": (DDPMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler-a": (EulerAncestralDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {}),
    "dpm2": (KDPM2DiscreteScheduler, {}),
    "dpm2-a": (KDPM2AncestralDiscreteScheduler, {}),
    "lms": (LMSDiscreteScheduler, {}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "deis": (DEISMultistepScheduler, {"algorithm_type": "deis", "solver_type": "logrho", "solver_order": 2}),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "dpmpp-sde": (DPMSolverSDEScheduler, {}),
    "dpmpp-2m-sde": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}),
    "unipc": (UniPCMultistepScheduler, {}),
    "lcm": (LCMScheduler, {}),
    "flow-euler": (FlowEuler, {}),
    "flow-dpmpp-2m": (DPMSolverMultistepScheduler, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "flow-unipc": (UniPCMultistepScheduler, {}),
}
SCHEDULE_TYPES: dict[str, dict[str, Any]] = {
    "default": {},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "sgm-uniform": {"timestep_spacing": "trailing"},
}
_NO_SPACING = dict.fromkeys(
    ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas"), False
)
"""A model's config may ask for these; the schedule type of the request decides instead."""
_LATENT = {"clip_sample": False, "thresholding": False, "steps_offset": 1}
"""Latents are not bounded like pixels, and Stable Diffusion's timesteps start at 1; diffusers' pipeline insists too."""
_NO_SAMPLE_PREDICTION = ("euler-a", "dpm2", "dpm2-a", "pndm", "dpmpp-sde")
"""Not written in diffusers for models that predict the picture itself."""


def build_scheduler(key: str, schedule_type: str, config: Mapping[str, Any], steps: int, model: str) -> Any:
    """A fresh scheduler ``key`` for the model whose own scheduler has ``config``.

    Noise schedule, prediction type and timestep spacing are kept from the model. Raises ``AppError`` when the config
    makes no sense, and ``RequestError`` where the model (``model`` is its name) does not allow this scheduler or so
    many ``steps``.
    """
    cls, changes = SCHEDULERS[key]
    label = FACTS[key].label
    if FACTS[key].flow:
        config, changes = {**config, "prediction_type": FLOW_PREDICTION}, {**changes, **_flow_shift(config)}
    prediction_type = config.get("prediction_type", "epsilon")
    if prediction_type == "sample" and key in _NO_SAMPLE_PREDICTION:
        known = ", ".join(other for other in SCHEDULERS if other not in _NO_SAMPLE_PREDICTION)
        raise RequestError("scheduler.unsupported", model=model, scheduler=label, known=known)
    try:
        if prediction_type not in PREDICTION_TYPES:
            raise ValueError(f"prediction type {prediction_type!r}")
        changes = {**_LATENT, **_NO_SPACING, **SCHEDULE_TYPES[schedule_type], **changes}
        scheduler = cls.from_config(dict(config), **changes)
        if FACTS[key].flow:
            size_shift(scheduler.config, 0)
    except (TypeError, ValueError, NotImplementedError, ArithmeticError) as problem:
        reason = f"cannot be used ({problem})"
        raise AppError("model.damaged", model=model, file="scheduler_config.json", reason=reason) from problem
    longest = scheduler.config.num_train_timesteps
    if cls is LCMScheduler:
        longest = min(longest, scheduler.config.original_inference_steps)
    if steps > longest:
        raise RequestError("steps.scheduler", scheduler=label, value=steps, high=longest)
    return scheduler


def _flow_shift(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a flow-matching scheduler whose model's own has ``config``: some say "shift", others "flow_shift"."""
    shift = config.get("shift", config.get("flow_shift", 1.0))
    return {"use_flow_sigmas": True, "shift": shift, "flow_shift": shift}
