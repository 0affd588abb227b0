"""Latents of any shape as a grid, and the estimate that a straight line through two of them gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    SCMScheduler,
    UniPCMultistepScheduler,
    VQModel,
)

from desktop_app.engine.families.flux import pack
from desktop_app.engine.parts.latent_grid import as_grid, latent_channels, straight_on

FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}


def test_grids_stay_and_frames_go_behind_the_channels():
    picture, film = torch.randn(1, 3, 4, 6), torch.randn(1, 3, 5, 4, 6)
    assert as_grid(picture, 3, 48, 32) is picture
    assert as_grid(film, 3, 48, 32, 5) is film
    assert torch.equal(as_grid(film.transpose(1, 2), 3, 48, 32, 5), film)


@pytest.mark.parametrize(("width", "height"), [(96, 64), (64, 96), (64, 64)])
def test_tokens_of_two_by_two_latent_pixels_are_unpacked(width, height):
    latents = torch.randn(1, 16, height // 8, width // 8)
    assert torch.equal(as_grid(pack(latents), 16, width, height), latents)


def test_tokens_of_a_film_are_unpacked():
    film = torch.randn(1, 8, 3, 2, 4)
    assert torch.equal(as_grid(film.flatten(2).transpose(1, 2), 8, 128, 64, 3), film)


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (1, 4, 5, 8, 8), (1, 65, 64), (1, 64, 63), (1, 64)])
def test_what_cannot_be_a_grid_is_none(shape):
    assert as_grid(torch.zeros(shape), 16, 64, 64) is None


def test_an_autoencoder_of_another_kind_has_no_channels_to_show():
    assert latent_channels(VQModel(block_out_channels=(8,), norm_num_groups=2)) is None
    assert latent_channels(None) is None


@pytest.mark.parametrize(
    "scheduler",
    [
        FlowMatchEulerDiscreteScheduler(shift=3.0),
        UniPCMultistepScheduler(**FLOW),
        DDIMScheduler(clip_sample=False, set_alpha_to_one=True),
        EulerDiscreteScheduler(),
    ],
    ids=lambda scheduler: type(scheduler).__name__,
)
def test_a_perfect_prediction_leads_straight_to_the_picture(scheduler: Any):
    clean = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    flow = "FlowMatch" in type(scheduler).__name__ or scheduler.config.get("use_flow_sigmas")
    scheduler.set_timesteps(10)
    latents = noise * getattr(scheduler, "init_noise_sigma", 1)
    if isinstance(scheduler, DDIMScheduler):
        latents = scheduler.add_noise(clean, noise, scheduler.timesteps[:1])
    elif not flow:
        latents = clean + noise * scheduler.sigmas[0]
    before = None
    for index, t in enumerate(scheduler.timesteps):
        latents = scheduler.step(noise - clean if flow else noise, t, latents, return_dict=False)[0]
        estimate = straight_on(scheduler, before, latents, index)
        if before is None:
            assert estimate is None
        else:
            assert estimate is not None
            assert torch.allclose(estimate, clean, atol=2e-2)
        before = latents


def test_without_noise_levels_there_is_no_estimate():
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(2)
    assert straight_on(scheduler, torch.zeros(1), torch.zeros(1), 3) is None
    assert straight_on(SCMScheduler(), torch.zeros(1), torch.zeros(1), 0) is None
