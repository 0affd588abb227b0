"""The refiner of SDXL: diffusers' two pipelines, alone and one after the other, are the oracle, bit for bit."""

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

from desktop_app.core.catalog import DIFFUSION_SCHEDULERS
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import RequestError
from desktop_app.core.events import Cancelled, Denoising, Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.denoise import Handed, denoise
from desktop_app.engine.engine import Engine
from desktop_app.engine.parts.latent_pictures import LatentPictures
from desktop_app.engine.schedulers import build_scheduler
from tests.engine.conftest import CPU, noisy_pixels, pictures, request_for, run, stop_when
from tests.engine.test_oracle import NEGATIVE, PROMPT, diffusers_scheduler
from tests.tiny_models import tiny_facts, tiny_model, tiny_xl_pipeline, tiny_xl_refiner_pipeline

WIDTH, STEPS = 96, 6
TWICE = ("heun", "dpm2", "dpm2-a", "dpmpp-sde")
"""Schedulers with two evaluations a step."""
PARTS = ("text_encoder", "text_encoder_2", "unet", "vae")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folders "base" and "refiner", which has the autoencoder of the first, and a model of another family."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    base, refiner = tiny_xl_pipeline(), tiny_xl_refiner_pipeline()
    refiner.register_modules(vae=base.vae)
    for name, pipeline in (("base", base), ("refiner", refiner)):
        pipeline.save_pretrained(folder / name)
        (folder / name / "safelight.json").write_text(json.dumps(tiny_facts()))
    tiny_model(folder / "tiny")
    yield folder
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def engine(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(models=[folder], cache=tmp_path_factory.mktemp("cache"), device="cpu")
    engine._found = (CPU, ())
    yield engine
    engine.release()


def xl_request(**changes: Any) -> GenerationRequest:
    values: dict[str, Any] = {"model": "base", "prompt": PROMPT, "negative_prompt": NEGATIVE, "width": WIDTH}
    return request_for(**{**values, "steps": STEPS, "refiner": "refiner", "refiner_at": 0.6, **changes})


class Oracle:
    """diffusers' own pipelines over the same files, called as its documentation calls them."""

    def __init__(self, folder: Path) -> None:
        options: dict[str, Any] = {"local_files_only": True, "add_watermarker": False}
        self.base = StableDiffusionXLPipeline.from_pretrained(folder / "base", **options)
        self.refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(folder / "refiner", **options)
        self.anew = StableDiffusionXLImg2ImgPipeline(**self.base.components, add_watermarker=False)
        for pipeline in (self.base, self.refiner, self.anew):
            pipeline.set_progress_bar_config(disable=True)
            for part in filter(None, (getattr(pipeline, name) for name in PARTS)):
                part.requires_grad_(False)
        self.config = self.base.scheduler.config

    def together(self, request: GenerationRequest, picture: Tensor | None = None) -> Tensor:
        """Latents of the finished picture."""
        generator = torch.Generator().manual_seed(request.seed)
        first = self.base if picture is None else self.anew
        place: dict[str, Any] = {"width": request.width, "height": request.height}
        if picture is not None:
            place = {"image": Image.fromarray(picture[0].numpy()), "strength": request.strength}
        half = self.call(first, request, generator, denoising_end=request.refiner_at, output_type="latent", **place)
        return self.call(
            self.refiner, request, generator, image=half, denoising_start=request.refiner_at, output_type="latent"
        )

    def call(self, pipeline: Any, request: GenerationRequest, generator: torch.Generator, **options: Any) -> Any:
        scheduler = diffusers_scheduler(request.scheduler, request.schedule_type, self.config, request.seed)
        pipeline.register_modules(scheduler=scheduler)
        return pipeline(
            request.prompt,
            negative_prompt=request.negative_prompt or None,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            generator=generator,
            **options,
        ).images


@pytest.fixture(scope="module")
def oracle(folder: Path) -> Oracle:
    return Oracle(folder)


def latents_of(engine: Engine, request: GenerationRequest) -> Tensor:
    """What the engine decodes."""
    with pytest.MonkeyPatch.context() as patch:
        seen: list[Tensor] = []
        decode = LatentPictures.decode
        patch.setattr(LatentPictures, "decode", lambda model, latents: seen.append(latents) or decode(model, latents))
        run(engine, request)
    (latents,) = seen
    return latents


@pytest.mark.parametrize("key", [key for key in DIFFUSION_SCHEDULERS if key not in TWICE])
def test_the_picture_equals_diffusers_two_pipelines(engine, oracle, key):
    request = xl_request(scheduler=key)
    assert torch.equal(latents_of(engine, request), oracle.together(request))


def test_it_changes_the_picture(engine):
    with_it, without, later = (
        latents_of(engine, xl_request(**changes)) for changes in ({}, {"refiner": ""}, {"refiner_at": 0.8})
    )
    assert not torch.equal(with_it, without)
    assert not torch.equal(with_it, later)


@pytest.mark.parametrize(
    "changes",
    [
        {"refiner_at": 0.8, "schedule_type": "karras", "scheduler": "dpmpp-2m"},
        {"refiner_at": 0.1},
        {"refiner_at": 0.99},
        {"negative_prompt": ""},
        {"guidance_scale": 1.0},
        {"steps": 1},
    ],
    ids=str,
)
def test_wherever_it_hands_over_and_whatever_it_is_told(engine, oracle, changes):
    request = xl_request(**changes)
    assert torch.equal(latents_of(engine, request), oracle.together(request))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("start") / "start.png"
    Image.fromarray(noisy_pixels(1, WIDTH)[0].numpy()).save(file)
    return file


@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_a_start_picture_goes_through_both(engine, oracle, start, strength):
    request = xl_request(start=str(start), strength=strength)
    assert torch.equal(latents_of(engine, request), oracle.together(request, noisy_pixels(1, WIDTH)))


@pytest.mark.parametrize("changes", [{"refiner": "", "model": "refiner"}, {"strength": 0.34}], ids=str)
def test_alone_it_draws_a_picture_anew_as_diffusers_does(engine, oracle, start, changes):
    """Chosen as the model, or because so little is to change that all of it is the refiner's."""
    request = xl_request(**{"strength": 0.6, **changes}, start=str(start))
    generator = torch.Generator().manual_seed(request.seed)
    place = {"image": Image.fromarray(noisy_pixels(1, WIDTH)[0].numpy()), "strength": request.strength}
    theirs = oracle.call(oracle.refiner, request, generator, output_type="latent", **place)
    assert torch.equal(latents_of(engine, request), theirs)


def test_alone_it_draws_nothing_from_words(engine):
    with pytest.raises(RequestError, match="needs a start picture"):
        run(engine, xl_request(model="refiner", refiner=""))


@pytest.mark.parametrize("key", TWICE)
def test_a_step_of_two_evaluations_belongs_to_one_model(key):
    """Taken over by itself, a model goes on as if nothing had been: no evaluation is left out, none made twice."""
    config = tiny_xl_pipeline().scheduler.config
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def model(latents: Tensor, t: Tensor) -> Tensor:
        return latents.sin() * (1 + t / 1000)

    def run_through(**part: Any) -> list[Tensor]:
        scheduler = build_scheduler(key, "default", config, STEPS, "tiny")
        return [one.latents for one in denoise(model, scheduler, noise, STEPS, generator, **part)]

    generator = torch.Generator().manual_seed(1)
    whole = run_through()
    generator = torch.Generator().manual_seed(1)
    first = run_through(until=0.6)
    second = run_through(handed=Handed(first[-1], 0.6))
    assert (len(first), len(second)) == (6, 5)
    assert all(torch.equal(one, other) for one, other in zip(whole, [*first, *second], strict=True))


def test_steps_and_previews_go_on_across_both(engine):
    told = [event for event in run(engine, xl_request()) if isinstance(event, Denoising)]
    assert [event.step for event in told] == list(range(STEPS + 1))
    assert {event.steps for event in told} == {STEPS}
    assert told[-1].preview is not None
    (picture,) = pictures(run(engine, xl_request()))
    assert picture.result.steps_done == STEPS


@pytest.mark.parametrize("step", [2, 5])
def test_cancel_ends_either(engine, step):
    events = stop_when(engine, xl_request(), lambda event: isinstance(event, Denoising) and event.step == step)
    assert isinstance(events[-1], Cancelled)
    assert isinstance(events[-2], Denoising)
    assert events[-2].step == step


@pytest.mark.parametrize("step", [2, 5])
def test_what_either_has_made_can_be_kept(engine, step):
    reached = lambda event: isinstance(event, Denoising) and event.step == step  # noqa: E731
    (picture,) = pictures(stop_when(engine, xl_request(), reached, keep=True))
    assert picture.result.steps_done == step + 1


def test_cancel_reaches_into_the_refiner(engine, folder):
    """Cancelled by the first layer of its U-Net that runs, the job ends before half of its layers have run."""
    run(engine, xl_request())
    unet = engine.shelf.models[next(key for key in engine.shelf.models if key[0] == str(folder / "refiner"))].unet
    leaves = [leaf for leaf in unet.modules() if not any(leaf.children())]
    stop, ran = StopSignal(), []

    def cancel(leaf: Any, *_: Any) -> None:
        ran.append(leaf)
        stop.cancel()

    handles = [leaf.register_forward_hook(cancel) for leaf in leaves]
    try:
        events = list(engine.generate(xl_request(), stop, preview=False))
    finally:
        for handle in handles:
            handle.remove()
    assert isinstance(events[-1], Cancelled)
    assert 0 < len(ran) < len(leaves) / 2


def test_both_stay_in_memory_and_share_an_autoencoder(engine):
    engine.release()
    run(engine, xl_request())
    assert not any(isinstance(event, Loading) for event in run(engine, xl_request()))
    assert [Path(key[0]).name for key in list(engine.shelf.models)[-2:]] == ["base", "refiner"]
    base, refiner = list(engine.shelf.models.values())[-2:]
    assert refiner.autoencoder.module is base.autoencoder.module
    weights = [weight for model in (base, refiner) for module in model.modules for weight in module.parameters()]
    own = sum(weight.nbytes for weight in base.autoencoder.module.parameters())
    assert engine.shelf.held(torch.device("cpu")) == sum(weight.nbytes for weight in weights) - own


def test_a_recipe_makes_the_same_picture_again(engine):
    (first,) = pictures(run(engine, xl_request()))
    again = GenerationRequest.from_json(first.result.request.to_json())
    assert (again.refiner, again.refiner_at) == ("refiner", 0.6)
    (second,) = pictures(run(engine, again, replay=first.result.run))
    assert second.frames == first.frames


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"refiner": "gone"}, r"There is no refiner called “gone” for the model Tiny. Known here: refiner\."),
        ({"refiner": "base"}, "The model Tiny is no refiner for the model Tiny"),
        ({"refiner": "tiny"}, "The model Tiny is no refiner for the model Tiny"),
        ({"model": "tiny"}, "The model Tiny hands its pictures to no refiner"),
        ({"refiner_at": 1.0}, "not after 1.0"),
        ({"refiner_at": 0.0}, "not after 0.0"),
        ({"refiner_at": float("nan")}, "not after nan"),
    ],
)
def test_what_is_no_refiner_is_said(engine, changes, said):
    with pytest.raises(RequestError, match=said):
        run(engine, xl_request(**changes))
