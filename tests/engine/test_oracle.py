"""diffusers' own pipeline is the oracle: our loop gives the same latents, bit for bit, for every scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSDEScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2AncestralDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)

from desktop_app.core.catalog import DIFFUSION_SCHEDULERS, SCHEDULERS
from desktop_app.core.guidance_form import BATCHED, NONE
from desktop_app.core.result import RunRecord
from desktop_app.engine.denoise import denoise
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.schedulers import build_scheduler
from tests.engine.conftest import CPU, MODEL, job_for, made, pictures, request_for, run
from tests.tiny_models import SIZE, loaded, tiny_model

PROMPT, NEGATIVE, SEED, STEPS = "a red house on green hills", "night", 7, 4
ORACLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "ddim": (DDIMScheduler, {}),
    "ddpm": (DDPMScheduler, {}),
    "euler": (EulerDiscreteScheduler, {}),
    "euler-a": (EulerAncestralDiscreteScheduler, {}),
    "heun": (HeunDiscreteScheduler, {"clip_sample": False}),
    "dpm2": (KDPM2DiscreteScheduler, {}),
    "dpm2-a": (KDPM2AncestralDiscreteScheduler, {}),
    "lms": (LMSDiscreteScheduler, {}),
    "pndm": (PNDMScheduler, {"skip_prk_steps": True}),
    "deis": (DEISMultistepScheduler, {}),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {}),
    "dpmpp-sde": (DPMSolverSDEScheduler, {}),
    "dpmpp-2m-sde": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": (UniPCMultistepScheduler, {}),
    "lcm": (LCMScheduler, {"clip_sample": False}),
}
"""Written out a second time, as a user of diffusers would choose them."""
SPACINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "karras": {"use_karras_sigmas": True},
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
    "sgm-uniform": {"timestep_spacing": "trailing"},
}
CASES = [(key, kind) for key in DIFFUSION_SCHEDULERS for kind in SCHEDULERS[key].schedule_types]
MAIN_CASES = [(key, kind) for key, kind in CASES if kind in ("default", "karras")]
"""For what does not look at the noise levels."""
NO_SAMPLE = ("euler-a", "dpm2", "dpm2-a", "pndm", "dpmpp-sde")
"""Not written in diffusers for models that predict the picture itself."""


def diffusers_scheduler(key: str, kind: str, config: Any, seed: int) -> Any:
    """As a user of diffusers would build it for a picture from ``seed``."""
    cls, changes = ORACLE[key]
    seeded = {"noise_sampler_seed": seed} if cls is DPMSolverSDEScheduler else {}
    return cls.from_config(config, **changes, **SPACINGS[kind], **seeded)


def diffusers_pipeline(folder: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, local_files_only=True, safety_checker=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    for module in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        module.requires_grad_(False)
    return pipeline


class Pair:
    """diffusers' pipeline and our model over the same weights.

    The pipeline's weights are frozen as ours are: torch multiplies by weights that could be trained in another order.
    """

    def __init__(self, folder: Path, prediction_type: str) -> None:
        self.folder = tiny_model(folder, prediction_type=prediction_type)
        self.pipeline = diffusers_pipeline(folder)
        self.config = self.pipeline.scheduler.config
        self.model = loaded(StableDiffusion.load(folder, CPU, lambda: None))

    def theirs(self, key: str, kind: str, guidance_scale: float) -> torch.Tensor:
        self.pipeline.scheduler = diffusers_scheduler(key, kind, self.config, SEED)
        return self.pipeline(
            PROMPT,
            negative_prompt=NEGATIVE,
            width=SIZE + 32,
            height=SIZE,
            num_inference_steps=STEPS,
            guidance_scale=guidance_scale,
            generator=torch.Generator().manual_seed(SEED),
            output_type="latent",
        ).images

    def ours(self, key: str, kind: str, guidance_scale: float) -> torch.Tensor:
        form = NONE if guidance_scale == 1 else BATCHED
        request = request_for(
            prompt=PROMPT, negative_prompt=NEGATIVE, width=SIZE + 32, guidance_scale=guidance_scale, steps=STEPS
        )
        conditioning = self.model.encode(self.model.tokenize(request, form))
        scheduler = build_scheduler(key, kind, self.model.scheduler_config, STEPS, "tiny")
        generator = torch.Generator().manual_seed(SEED)
        predict = self.model.predictor(conditioning, request, form, None, generator)
        noise = self.model.noise(request, generator)
        *_, last = denoise(predict, scheduler, noise, STEPS, generator)
        assert last.step == STEPS
        return last.latents


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pairs")
    yield {kind: Pair(folder / kind, kind) for kind in ("epsilon", "v_prediction", "sample")}
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("key", "kind", "prediction_type"),
    [*((*case, "epsilon") for case in CASES), *((*case, "v_prediction") for case in MAIN_CASES)],
)
def test_latents_equal_diffusers_bit_for_bit(pairs, key, kind, prediction_type):
    pair = pairs[prediction_type]
    theirs = pair.theirs(key, kind, 6.0)
    assert theirs.isfinite().all()
    assert torch.equal(pair.ours(key, kind, 6.0), theirs)


@pytest.mark.parametrize(("key", "kind"), [case for case in MAIN_CASES if case[0] not in NO_SAMPLE])
def test_latents_equal_diffusers_for_models_that_predict_the_picture(pairs, key, kind):
    assert torch.equal(pairs["sample"].ours(key, kind, 6.0), pairs["sample"].theirs(key, kind, 6.0))


@pytest.mark.parametrize("key", ["ddim", "euler-a", "dpmpp-2m", "dpmpp-sde"])
def test_latents_equal_diffusers_without_guidance(pairs, key):
    assert torch.equal(pairs["epsilon"].ours(key, "default", 1), pairs["epsilon"].theirs(key, "default", 1))


def embeddings(pipeline: Any, text: str, clip_skip: int) -> torch.Tensor:
    """As diffusers skips for a prompt, counted from 0."""
    encoder = pipeline.text_encoder
    encoder.__dict__["text_model"] = encoder  # where transformers 5 has the layer norm that diffusers looks for there
    return pipeline.encode_prompt(text, "cpu", 1, False, clip_skip=clip_skip - 1)[0]


@pytest.mark.parametrize("clip_skip", [1, 2])
def test_skipped_layers_equal_diffusers_bit_for_bit(pairs, clip_skip):
    pair = pairs["epsilon"]
    request = request_for(prompt=PROMPT, negative_prompt=NEGATIVE, clip_skip=clip_skip)
    ours = pair.model.encode(pair.model.tokenize(request, BATCHED))
    assert torch.equal(ours.positive, embeddings(pair.pipeline, PROMPT, clip_skip))
    assert torch.equal(ours.negative, embeddings(pair.pipeline, NEGATIVE, clip_skip))
    plain = pair.model.encode(pair.model.tokenize(replace(request, clip_skip=1), BATCHED))
    assert torch.equal(plain.positive, ours.positive) == (clip_skip == 1)


def test_a_picture_with_skipped_layers_equals_diffusers(pairs):
    pair = pairs["epsilon"]
    pair.pipeline.scheduler = diffusers_scheduler("ddim", "default", pair.config, SEED)
    embeddings(pair.pipeline, PROMPT, 2)
    theirs = pair.pipeline(
        PROMPT,
        width=SIZE,
        height=SIZE,
        num_inference_steps=STEPS,
        guidance_scale=1.0,
        clip_skip=1,
        generator=torch.Generator().manual_seed(SEED),
        output_type="np",
    ).images
    request = request_for(prompt=PROMPT, guidance_scale=1.0, clip_skip=2, steps=STEPS, seed=SEED)
    ours = made(job_for(pair.folder, pair.model, request))
    assert torch.equal(ours, torch.from_numpy((theirs * 255).round()).to(torch.uint8))


def test_the_oracle_can_tell_schedulers_apart(pairs):
    """By its scheduler; and one of them by its noise levels."""
    cases = [(key, kind) for key, kind in CASES if kind == "default" or key == "dpmpp-2m"]
    latents = [pairs["epsilon"].theirs(key, kind, 6.0) for key, kind in cases]
    same = [(cases[a], cases[b]) for a in range(len(cases)) for b in range(a) if torch.equal(latents[a], latents[b])]
    assert same == []


def test_the_whole_engine_gives_the_pixels_of_diffusers(engine: Engine, models: Path):
    record = RunRecord(device="cpu", device_name="", dtype="float32", guidance_form=BATCHED, threads=1)
    request = request_for(negative_prompt=NEGATIVE, scheduler="euler", count=2)
    ours = [
        numpy.frombuffer(picture.frames.data, "uint8").reshape(picture.frames.shape)
        for picture in pictures(run(engine, request, replay=record))
    ]
    pipeline = diffusers_pipeline(models / MODEL)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
    for offset, mine in enumerate(ours):
        theirs = pipeline(
            request.prompt,
            negative_prompt=NEGATIVE,
            width=SIZE,
            height=SIZE,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            generator=torch.Generator().manual_seed(request.seed + offset),
            output_type="pil",
        ).images
        assert numpy.array_equal(mine, numpy.stack([numpy.asarray(picture) for picture in theirs]))
