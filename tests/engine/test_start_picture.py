"""Pictures that start from a picture: diffusers' image-to-image pipeline is the oracle, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from PIL import Image
from torch import Tensor

from desktop_app.core.events import Denoising
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.denoise import denoise
from desktop_app.engine.job import make_picture
from desktop_app.engine.schedulers import build_scheduler
from desktop_app.engine.start import as_frames, as_input
from tests.engine.conftest import job_for, made, noisy_pixels, request_for, start_of
from tests.engine.test_oracle import MAIN_CASES, NEGATIVE, PROMPT, Pair, diffusers_scheduler

WIDTH = 96


class StartPair(Pair):
    """diffusers' pipeline and our model over the same weights."""

    def theirs_from(self, picture: Tensor, request: GenerationRequest, output_type: str = "latent") -> Any:
        scheduler = diffusers_scheduler(request.scheduler, request.schedule_type, self.config, request.seed)
        parts = {**self.pipeline.components, "scheduler": scheduler}
        pipeline = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline(
            request.prompt,
            image=Image.fromarray(picture[0].numpy()),
            strength=request.strength,
            negative_prompt=request.negative_prompt,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            generator=torch.Generator().manual_seed(request.seed),
            output_type=output_type,
        ).images

    def ours_from(self, picture: Tensor, request: GenerationRequest) -> Tensor:
        job = job_for(self.folder, self.model, request)
        scheduler = build_scheduler(
            request.scheduler, request.schedule_type, self.model.scheduler_config, request.steps, "tiny"
        )
        generator = torch.Generator().manual_seed(request.seed)
        predict = self.model.predictor(job.conditioning, request, job.run.guidance_form, None, generator)
        latents = self.model.encode_start(as_input(as_frames(picture)), generator)
        noise = self.model.start_noise(request, generator)
        *_, last = denoise(
            predict, scheduler, noise, request.steps, generator, start=latents, strength=request.strength
        )
        assert last.step == request.steps
        return last.latents


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, StartPair]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pairs")
    yield {kind: StartPair(folder / kind / "tiny", kind) for kind in ("epsilon", "v_prediction")}
    torch.set_num_threads(threads)


def start_request(**changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "width": WIDTH, "steps": 5, "start": "p"}
    return request_for(**{**values, **changes})


@pytest.mark.parametrize("strength", [0.2, 0.5, 1.0])
@pytest.mark.parametrize(("key", "kind"), MAIN_CASES)
def test_latents_equal_diffusers_bit_for_bit(pairs, key, kind, strength):
    request, picture = start_request(scheduler=key, schedule_type=kind, strength=strength), noisy_pixels(1, WIDTH)
    theirs = pairs["epsilon"].theirs_from(picture, request)
    assert theirs.isfinite().all()
    assert torch.equal(pairs["epsilon"].ours_from(picture, request), theirs)


@pytest.mark.parametrize(
    "changes", [{"guidance_scale": 1.0}, {"steps": 30, "strength": 0.73}, {"seed": 8, "scheduler": "heun"}]
)
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_other_requests_equal_diffusers_bit_for_bit(pairs, prediction_type, changes):
    pair, picture = pairs[prediction_type], noisy_pixels(1, WIDTH, seed=1)
    request = start_request(**{"strength": 0.6, **changes})
    assert torch.equal(pair.ours_from(picture, request), pair.theirs_from(picture, request))


def test_the_picture_of_a_job_is_that_of_diffusers(pairs):
    pair, picture = pairs["epsilon"], noisy_pixels(1, WIDTH)
    request = start_request(scheduler="dpmpp-2m", strength=0.6)
    theirs = torch.from_numpy((pair.theirs_from(picture, request, "np") * 255).round()).to(torch.uint8)
    assert torch.equal(made(job_for(pair.folder, pair.model, request, start=start_of(picture, request))), theirs)


@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_with_no_step_left_the_picture_comes_back_from_its_latents(pairs, strength):
    """diffusers refuses this; a slider that reaches 0 should not."""
    pair, picture = pairs["epsilon"], noisy_pixels(1, WIDTH)
    request = start_request(strength=strength)
    job = job_for(pair.folder, pair.model, request, start=start_of(picture, request))
    steps = [event.step for event in make_picture(job, 0) if isinstance(event, Denoising)]
    latents = pair.model.encode_start(as_input(as_frames(picture)), torch.Generator().manual_seed(request.seed))
    assert steps == [request.steps]
    assert torch.equal(made(job), pair.model.decode(latents))


@pytest.mark.parametrize(("strength", "taken"), [(1.0, 5), (0.5, 2), (0.2, 1), (0.19, 0), (0.0, 0)])
def test_progress_counts_the_skipped_steps_as_done(pairs, strength, taken):
    pair, request = pairs["epsilon"], start_request(strength=strength)
    job = job_for(pair.folder, pair.model, request, start=start_of(noisy_pixels(1, WIDTH), request))
    events = list(make_picture(job, 0))
    steps = [event.step for event in events if isinstance(event, Denoising)]
    assert steps == list(range(5 - taken, 6))
    assert events[-1].result.steps_done == 5


def test_a_batch_equals_single_runs(pairs):
    pair, picture = pairs["epsilon"], noisy_pixels(1, WIDTH)
    request = start_request(scheduler="euler-a", count=3)
    start = start_of(picture, request)
    batch = [made(job_for(pair.folder, pair.model, request, start=start), index) for index in range(3)]
    singles = [made(job_for(pair.folder, pair.model, request.single(index), start=start)) for index in range(3)]
    assert all(torch.equal(one, other) for one, other in zip(batch, singles, strict=True))
    assert not torch.equal(batch[0], batch[1])


def test_less_strength_stays_nearer_to_the_start(pairs):
    pair, picture = pairs["epsilon"], noisy_pixels(1, WIDTH)
    start = pair.model.autoencoder.mean(as_input(as_frames(picture)))
    requests = [start_request(strength=strength, steps=10) for strength in (0.2, 0.5, 0.9)]
    away = [float((pair.ours_from(picture, request) - start).norm()) for request in requests]
    assert away == sorted(away)
