"""The catalogue's facts about schedulers hold for what diffusers really does."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
import torch

from desktop_app.core import catalog
from desktop_app.core.catalog import DIFFUSION_SCHEDULERS, FAMILIES, SCHEDULERS
from desktop_app.core.errors import AppError, RequestError
from desktop_app.engine import families, schedulers
from desktop_app.engine.denoise import Denoised, denoise
from desktop_app.engine.schedulers import build_scheduler

CASES = [(key, kind) for key in DIFFUSION_SCHEDULERS for kind in SCHEDULERS[key].schedule_types]
TWICE = ("heun", "dpm2", "dpm2-a", "dpmpp-sde")
"""They evaluate twice in every step but the last."""
SPACED = [(key, kind, "leading") for key, kind in CASES]
SPACED += [(key, "default", spacing) for key in DIFFUSION_SCHEDULERS for spacing in ("linspace", "trailing")]


def config(**changes: Any) -> dict[str, Any]:
    values = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "epsilon"}
    return {**values, "num_train_timesteps": 1000, **changes}


def sample(key: str, kind: str, steps: int, seed: int = 0, **changes: Any) -> list[Denoised]:
    """Run the loop with a stand-in for the network that answers most of its input."""
    scheduler = build_scheduler(key, kind, config(**changes), steps, "test")
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 4, 4, 4, generator=generator)
    return list(denoise(lambda latents, t: 0.9 * latents + 0.1, scheduler, noise, steps, generator))


def test_facts_and_verbs_have_the_same_keys():
    assert set(schedulers.SCHEDULERS) == set(SCHEDULERS)
    assert set(schedulers.SCHEDULE_TYPES) == set(catalog.SCHEDULE_TYPES)
    assert set(families.FAMILIES) == set(FAMILIES)


@pytest.mark.parametrize("key", [*DIFFUSION_SCHEDULERS, "flow-euler"])
def test_schedule_types_are_those_the_class_knows(key):
    cls, _ = schedulers.SCHEDULERS[key]
    known = set(inspect.signature(cls).parameters)
    for kind in ("karras", "exponential", "beta"):
        assert (kind in SCHEDULERS[key].schedule_types) == (f"use_{kind}_sigmas" in known)
    assert "sgm-uniform" not in SCHEDULERS[key].schedule_types or "timestep_spacing" in known


@pytest.mark.parametrize(("key", "kind"), CASES)
def test_the_schedule_type_decides_even_against_the_model(key, kind):
    for says in ("karras", "exponential", "beta"):
        scheduler = build_scheduler(key, kind, config(**{f"use_{says}_sigmas": True}), 4, "test")
        scheduler.set_timesteps(4)
        if says in SCHEDULERS[key].schedule_types:
            assert scheduler.config[f"use_{says}_sigmas"] == (kind == says)


@pytest.mark.parametrize("key", DIFFUSION_SCHEDULERS)
def test_the_models_own_schedule_is_kept(key):
    own = config(prediction_type="v_prediction", timestep_spacing="trailing", beta_end=0.02)
    kept = build_scheduler(key, "default", own, 4, "test").config
    assert (kept.prediction_type, kept.beta_end, kept.beta_start) == ("v_prediction", 0.02, 0.00085)
    assert kept.get("timestep_spacing", "trailing") == "trailing"
    assert not kept.get("clip_sample", False)


def evaluations(key: str, steps: int) -> int:
    if key == "pndm":
        return steps + (steps > 1)
    return 2 * steps - 1 if key in TWICE else steps


@pytest.mark.parametrize(("key", "kind", "spacing"), SPACED)
def test_every_allowed_number_of_steps_works(key, kind, spacing):
    most = [SCHEDULERS[key].max_steps] if kind in ("default", "karras") else []
    for steps in (1, 2, 3, *most):
        states = sample(key, kind, steps, timestep_spacing=spacing)
        assert len(states) == evaluations(key, steps)
        assert states[-1].latents.isfinite().all()
        assert states[-1].latents.abs().max() < 100


@pytest.mark.parametrize("steps", [61, 103])  # diffusers rounds one timestep too many into these
@pytest.mark.parametrize("key", [key for key in DIFFUSION_SCHEDULERS if SCHEDULERS[key].max_steps > 103])
def test_trailing_spacing_takes_no_step_below_zero(key, steps):
    states = sample(key, "default", steps, timestep_spacing="trailing")
    assert len(states) == evaluations(key, steps)
    neighbour = sample(key, "default", steps + 1, timestep_spacing="trailing")[-1]
    if not SCHEDULERS[key].stochastic:
        assert (states[-1].latents - neighbour.latents).abs().max() < 0.05


@pytest.mark.parametrize("key", SCHEDULERS)
def test_stochastic_says_whether_new_noise_is_drawn(key):
    scheduler = build_scheduler(key, "default", config(), 4, "test")
    noise = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    results = [
        list(denoise(lambda latents, t: latents, scheduler, noise, 4, torch.Generator().manual_seed(seed)))[-1].latents
        for seed in (1, 2, 1)
    ]
    assert torch.equal(results[0], results[2])
    assert torch.equal(results[0], results[1]) == (not SCHEDULERS[key].stochastic)


@pytest.mark.parametrize(("key", "kind"), CASES)
def test_progress_counts_the_users_steps(key, kind):
    steps = [state.step for state in sample(key, kind, 5)]
    assert steps == sorted(steps)
    assert set(steps) - {0} == {1, 2, 3, 4, 5}
    assert steps[-1] == 5
    assert steps.count(5) == 1


def test_a_model_with_a_short_schedule_refuses_more_steps_than_it_has():
    with pytest.raises(RequestError, match="at most 20 steps"):
        build_scheduler("lcm", "default", config(original_inference_steps=20), 21, "test")
    with pytest.raises(RequestError, match="at most 100 steps"):
        build_scheduler("ddim", "default", config(num_train_timesteps=100), 101, "test")
    build_scheduler("ddim", "default", config(original_inference_steps=20), 21, "test")


@pytest.mark.parametrize("key", ["euler-a", "dpm2", "dpm2-a", "pndm", "dpmpp-sde"])
def test_those_that_diffusers_has_not_written_for_models_that_predict_the_picture_are_refused(key):
    with pytest.raises(RequestError, match=f"does not work with the scheduler {re.escape(SCHEDULERS[key].label)}"):
        build_scheduler(key, "default", config(prediction_type="sample"), 4, "Tiny")


@pytest.mark.parametrize("key", DIFFUSION_SCHEDULERS)
@pytest.mark.parametrize(
    "nonsense",
    [{"prediction_type": "guess"}, {"beta_schedule": "guess"}, {"num_train_timesteps": "many"}, {"beta_start": None}],
    ids=str,
)
def test_a_scheduler_config_that_makes_no_sense(key, nonsense):
    with pytest.raises(AppError, match=r"The model Tiny is damaged: scheduler_config.json cannot be used"):
        build_scheduler(key, "default", config(**nonsense), 4, "Tiny")
