"""SDXL: diffusers' own pipelines, from words and from a picture, are the oracle, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core.errors import AppError
from desktop_app.core.guidance_form import BATCHED, NONE, TWO_PASS
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.denoise import denoise
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.stable_diffusion_xl import StableDiffusionXL
from desktop_app.engine.schedulers import build_scheduler
from tests.engine.conftest import CPU, job_for, made, noisy_pixels, pictures, request_for, run, start_of
from tests.engine.test_oracle import NEGATIVE, PROMPT, diffusers_scheduler
from tests.tiny_models import SIZE, loaded, tiny_facts, tiny_xl_pipeline

WIDTH = 96


class Pair:
    """diffusers' pipeline, its weights frozen as ours are, and our model over the same files."""

    def __init__(self, folder: Path, *, zeros: bool) -> None:
        tiny_xl_pipeline(zeros=zeros).save_pretrained(folder)
        (folder / "safelight.json").write_text(json.dumps(tiny_facts()))
        self.folder = folder
        self.pipeline = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True, add_watermarker=False)
        for part in ("text_encoder", "text_encoder_2", "unet", "vae"):
            getattr(self.pipeline, part).requires_grad_(False)
        self.config = self.pipeline.scheduler.config
        self.model: StableDiffusionXL = loaded(StableDiffusionXL.load(folder, CPU, lambda: None))

    def theirs(self, request: GenerationRequest, picture: Tensor | None = None, output_type: str = "latent") -> Any:
        scheduler = diffusers_scheduler(request.scheduler, request.schedule_type, self.config, request.seed)
        cls = StableDiffusionXLPipeline if picture is None else StableDiffusionXLImg2ImgPipeline
        pipeline = cls(
            **{**self.pipeline.components, "scheduler": scheduler},
            force_zeros_for_empty_prompt=self.pipeline.config.force_zeros_for_empty_prompt,
            add_watermarker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        place = {"width": request.width, "height": request.height}
        if picture is not None:
            place = {"image": Image.fromarray(picture[0].numpy()), "strength": request.strength}
        return pipeline(
            request.prompt,
            **place,
            negative_prompt=request.negative_prompt or None,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            clip_skip=request.clip_skip - 1,
            generator=torch.Generator().manual_seed(request.seed),
            output_type=output_type,
        ).images

    def ours(self, request: GenerationRequest, picture: Tensor | None = None, form: str = BATCHED) -> Tensor:
        model = self.model
        form = NONE if request.guidance_scale == 1 else form
        told = model.encode(model.tokenize(request, form))
        generator = torch.Generator().manual_seed(request.seed)
        predict = model.predictor(told, request, form, None, generator)
        if picture is None:
            start, noise = None, model.noise(request, generator)
        else:
            start = model.encode_start(start_of(picture, request).frames, generator)
            noise = model.start_noise(request, generator)
        scheduler = build_scheduler(
            request.scheduler, request.schedule_type, model.scheduler_config, request.steps, "tiny"
        )
        *_, last = denoise(predict, scheduler, noise, request.steps, generator, start=start, strength=request.strength)
        return last.latents


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Pair]]:
    """By whether an empty negative prompt stands for zeros."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pairs")
    yield {zeros: Pair(folder / str(zeros) / "tiny", zeros=zeros) for zeros in (True, False)}
    torch.set_num_threads(threads)


def xl_request(**changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "width": WIDTH, "steps": 4}
    return request_for(**{**values, **changes})


@pytest.mark.parametrize("key", ["ddim", "euler", "euler-a", "dpmpp-2m", "unipc", "pndm"])
def test_latents_equal_diffusers_bit_for_bit(pairs, key):
    request = xl_request(scheduler=key)
    theirs = pairs[True].theirs(request)
    assert theirs.isfinite().all()
    assert torch.equal(pairs[True].ours(request), theirs)


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("changes", [{"negative_prompt": ""}, {"guidance_scale": 1.0}, {"prompt": "", "seed": 8}])
def test_empty_texts_and_no_guidance_equal_diffusers(pairs, zeros, changes):
    request = xl_request(**changes)
    assert torch.equal(pairs[zeros].ours(request), pairs[zeros].theirs(request))


def test_an_earlier_layer_equals_diffusers(pairs):
    """Without a negative prompt, for which diffusers skips no layers."""
    request = xl_request(negative_prompt="", clip_skip=2)
    latents = pairs[True].ours(request)
    assert torch.equal(latents, pairs[True].theirs(request))
    assert not torch.equal(latents, pairs[True].ours(xl_request(negative_prompt="")))


def test_zeros_are_not_the_embeddings_of_an_empty_text(pairs):
    request = xl_request(negative_prompt="")
    assert not torch.equal(pairs[True].ours(request), pairs[False].ours(request))


def test_two_passes_equal_one_batch(pairs):
    one, other = (pairs[True].ours(xl_request(), form=form) for form in (BATCHED, TWO_PASS))
    assert (one - other).norm() <= 1e-5 * one.norm()


@pytest.mark.parametrize(("scheduler", "strength"), [("ddim", 0.3), ("euler-a", 0.6), ("dpmpp-2m", 1.0)])
def test_latents_from_a_picture_equal_diffusers(pairs, scheduler, strength):
    request, picture = xl_request(scheduler=scheduler, strength=strength, steps=5), noisy_pixels(1, WIDTH)
    assert torch.equal(pairs[True].ours(request, picture), pairs[True].theirs(request, picture))


def test_the_picture_is_that_of_diffusers(pairs):
    pair, request = pairs[True], xl_request(scheduler="dpmpp-2m")
    theirs = torch.from_numpy((pair.theirs(request, output_type="np") * 255).round()).to(torch.uint8)
    assert torch.equal(made(job_for(pair.folder, pair.model, request)), theirs)


def test_the_size_is_told(pairs):
    """The same latents denoised for another size come out otherwise: the U-Net hears of it."""
    pair, latents = pairs[True], torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    told = pair.model.encode(pair.model.tokenize(xl_request(), BATCHED))
    with torch.inference_mode():
        small, large = (
            pair.model.predictor(told, xl_request(width=width), BATCHED, None, torch.Generator())(
                latents, torch.tensor(500)
            )
            for width in (64, 1024)
        )
    assert not torch.equal(small, large)


def test_the_engine_makes_pictures_of_an_xl_folder(pairs, tmp_path):
    folder = pairs[True].folder
    facts = read_model_facts(folder)
    assert (facts.family, facts.kinds) == ("stable-diffusion-xl", ("picture",))
    engine = Engine(models=[folder.parent], cache=tmp_path, device="cpu")
    events = run(engine, request_for())
    assert pictures(events)[0].frames.shape == (1, SIZE, SIZE, 3)
    engine.release()


def test_long_prompts_say_what_was_left_out(pairs):
    texts = pairs[True].model.tokenize(xl_request(prompt="red " * 100), BATCHED)
    assert [(notice.id, notice.values) for notice in texts.notices] == [("prompt.cut", {"words": 25})]


def test_a_missing_second_text_encoder(tmp_path):
    folder = tmp_path / "xl"
    tiny_xl_pipeline().save_pretrained(folder)
    (folder / "text_encoder_2" / "model.safetensors").unlink()
    engine = Engine(models=[tmp_path], cache=tmp_path, device="cpu")
    with pytest.raises(AppError, match="incomplete: text_encoder_2/"):
        run(engine, request_for(model="xl"))
