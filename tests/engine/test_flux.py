"""FLUX.1 on our own loop: diffusers' pipelines of it are the oracle, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxPipeline,
    UniPCMultistepScheduler,
)
from PIL import Image
from torch import Tensor

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core.catalog import FLOW_SCHEDULERS, SCHEDULERS
from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.events import Cancelled, Denoising
from desktop_app.core.request import GenerationRequest, default_request
from desktop_app.engine import engine as engine_module
from desktop_app.engine.denoise import denoise
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.flux import MAX_TOKENS, Flux, pack, positions, unpack
from desktop_app.engine.schedulers import build_scheduler
from desktop_app.engine.start import as_frames, as_input
from tests.engine.conftest import CPU, job_for, made, noisy_pixels, pictures, request_for, run, start_of, stop_when
from tests.engine.conftest import loaded as loaded_by
from tests.tiny_flow_models import tiny_flow_vae, tiny_flux_pipeline, write_flow_model
from tests.tiny_models import SIZE, loaded

WIDTH, STEPS = 96, 4
ORACLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "flow-euler": (FlowMatchEulerDiscreteScheduler, {}),
    "flow-dpmpp-2m": (DPMSolverMultistepScheduler, {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
    "flow-unipc": (UniPCMultistepScheduler, {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}),
}
"""Written out a second time, as a user of diffusers would choose them."""
CASES = [(key, kind) for key in FLOW_SCHEDULERS for kind in SCHEDULERS[key].schedule_types]
REFUSED = ("schnell", "flow-dpmpp-2m")
"""diffusers' pipeline insists on a shift by size, which this scheduler takes only where the model wants one."""


def flow_request(**changes: Any) -> GenerationRequest:
    values = {"width": WIDTH, "steps": STEPS, "guidance_scale": 3.5, "scheduler": "flow-euler"}
    return request_for(**{**values, **changes})


class Pair:
    """diffusers' pipeline and our model over the same files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pipeline: Any = FluxPipeline.from_pretrained(folder, local_files_only=True)
        self.pipeline.set_progress_bar_config(disable=True)
        self.model: Flux = loaded(Flux.load(folder, CPU, lambda: None))

    def theirs(self, request: GenerationRequest, picture: Tensor | None = None, output_type: str = "latent") -> Any:
        cls, changes = ORACLE[request.scheduler]
        spacing = {} if request.schedule_type == "default" else {f"use_{request.schedule_type}_sigmas": True}
        config = dict(self.pipeline.scheduler.config)
        scheduler = cls.from_config(config, flow_shift=config["shift"], **changes, **spacing)
        parts = {**self.pipeline.components, "scheduler": scheduler}
        start = {} if picture is None else {"image": Image.fromarray(picture[0].numpy()), "strength": request.strength}
        pipeline = (FluxPipeline if picture is None else FluxImg2ImgPipeline)(**parts)
        pipeline.set_progress_bar_config(disable=True)
        images = pipeline(
            request.prompt,
            width=request.width,
            height=request.height,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            generator=torch.Generator().manual_seed(request.seed),
            output_type=output_type,
            **start,
        ).images
        return unpack(images, request.height // 8, request.width // 8) if output_type == "latent" else images

    def ours(self, request: GenerationRequest, picture: Tensor | None = None) -> Tensor:
        job = job_for(self.folder, self.model, request)
        config = self.model.scheduler_config
        scheduler = build_scheduler(request.scheduler, request.schedule_type, config, request.steps, "tiny")
        generator = torch.Generator().manual_seed(request.seed)
        predict = self.model.predictor(job.conditioning, request, job.run.guidance_form, None, generator)
        start = None if picture is None else self.model.encode_start(as_input(as_frames(picture)), generator)
        noise = self.model.noise(request, generator)
        *_, last = denoise(predict, scheduler, noise, request.steps, generator, start=start, strength=request.strength)
        assert last.step == request.steps
        return last.latents


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("flux")
    write_flow_model(folder / "dev", tiny_flux_pipeline(dev=True), shard="100KB")
    write_flow_model(folder / "schnell", tiny_flux_pipeline(dev=False, seed=1))
    yield {name: Pair(folder / name) for name in ("dev", "schnell")}
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("name", "key", "kind"),
    [(name, *case) for name in ("dev", "schnell") for case in CASES if (name, case[0]) != REFUSED],
)
def test_latents_equal_diffusers_bit_for_bit(pairs, name, key, kind):
    request = flow_request(scheduler=key, schedule_type=kind)
    theirs = pairs[name].theirs(request)
    assert theirs.isfinite().all()
    assert torch.equal(pairs[name].ours(request), theirs)


@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("name", ["dev", "schnell"])
def test_latents_from_a_picture_equal_diffusers_bit_for_bit(pairs, name, strength):
    request, picture = flow_request(strength=strength, start="p"), noisy_pixels(1, WIDTH)
    assert torch.equal(pairs[name].ours(request, picture), pairs[name].theirs(request, picture))


def test_tiles_equal_diffusers(pairs):
    pair, request = pairs["dev"], flow_request(width=128)
    pair.pipeline.vae.enable_tiling()
    theirs = pair.theirs(request, output_type="np")
    pair.pipeline.vae.disable_tiling()
    job = job_for(pair.folder, pair.model, request)
    ours = made(replace(job, run=replace(job.run, tiled=True)))
    assert torch.equal(ours, torch.from_numpy(theirs * 255).round().to(torch.uint8))
    assert not torch.equal(ours, made(job))


def test_the_oracle_can_tell_requests_apart(pairs):
    requests = [flow_request(scheduler=key, schedule_type=kind) for key, kind in CASES]
    requests += [flow_request(guidance_scale=1.0), flow_request(prompt="a boat"), flow_request(seed=8)]
    latents = [pairs["dev"].theirs(request) for request in requests]
    assert not any(torch.equal(latents[a], latents[b]) for a in range(len(latents)) for b in range(a))


def test_schnell_is_told_no_guidance(pairs):
    first, second = (pairs["schnell"].ours(flow_request(guidance_scale=scale)) for scale in (1.0, 9.0))
    assert torch.equal(first, second)


@pytest.mark.parametrize("picture", [None, noisy_pixels(1, WIDTH)], ids=["words", "picture"])
def test_the_picture_of_a_job_is_that_of_diffusers(pairs, picture):
    pair, request = pairs["dev"], flow_request(start="" if picture is None else "p", strength=0.6)
    theirs = torch.from_numpy((pair.theirs(request, picture, "np") * 255).round()).to(torch.uint8)
    start = None if picture is None else start_of(picture, request)
    assert torch.equal(made(job_for(pair.folder, pair.model, request, start=start)), theirs)


@pytest.mark.parametrize("key", FLOW_SCHEDULERS)
@pytest.mark.parametrize("name", ["dev", "schnell"])
def test_a_perfect_velocity_gives_the_picture_back(pairs, name, key):
    """Also the estimate of every step, which the preview shows, at every noise level and after a start.

    DPM++ 2M takes pure noise for noise at sigma 0.999.
    """
    clean = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(2))
    scheduler = build_scheduler(key, "default", pairs[name].model.scheduler_config, 20, "tiny")
    for start in (None, clean):
        states = list(
            denoise(
                lambda latents, t: noise - clean, scheduler, noise, 20, torch.Generator(), start=start, strength=0.5
            )
        )
        assert len(states) == (20 if start is None else 10)
        assert all(torch.allclose(state.estimate, clean, atol=1e-2) for state in states)
        assert torch.allclose(states[-1].latents, clean, atol=1e-2)


@pytest.mark.parametrize("key", FLOW_SCHEDULERS)
@pytest.mark.parametrize("steps", [1, 2, 1000])
def test_any_number_of_steps_stays_finite(pairs, key, steps):
    scheduler = build_scheduler(key, "default", pairs["dev"].model.scheduler_config, steps, "tiny")
    noise = torch.randn(1, 16, 2, 2, generator=torch.Generator().manual_seed(0))
    *_, last = denoise(lambda latents, t: 0.1 * latents, scheduler, noise, steps, torch.Generator())
    assert last.step == steps
    assert last.latents.isfinite().all()


def test_packing_is_undone():
    latents = torch.randn(1, 3, 4, 6)
    assert pack(latents).shape == (1, 6, 12)
    assert torch.equal(unpack(pack(latents), 4, 6), latents)
    assert torch.equal(pack(latents)[0, 4], latents[0, :, 2:4, 2:4].flatten())
    assert positions(2, 3)[4].tolist() == [0, 1, 1]


def test_the_kind_is_told_by_its_config(pairs):
    dev, schnell = (read_model_facts(pairs[name].folder) for name in ("dev", "schnell"))
    assert (dev.family, dev.steps, dev.guidance_scale) == ("flux", 28, 3.5)
    assert (schnell.family, schnell.steps) == ("flux-schnell", 4)
    assert "guidance_scale" in dev.controls
    assert not {"guidance_scale", "negative_prompt"} & set(schnell.controls)


def test_the_engine_draws_shows_and_cancels(pairs, tmp_path):
    engine = Engine(models=[pairs["dev"].folder.parent], cache=tmp_path, device="cpu")
    facts = read_model_facts(pairs["dev"].folder)
    request = default_request(facts)
    request = GenerationRequest.from_json({**request.to_json(), "steps": 3, "seed": 1, "prompt": "a red boat"})
    events = run(engine, request)
    (picture,) = pictures(events)
    assert picture.frames.shape == (1, SIZE, SIZE, 3)
    previews = [event.preview for event in events if isinstance(event, Denoising) and event.preview]
    assert previews[-1].shape == (1, 8, 8, 3)
    stopped = stop_when(engine, request, lambda event: isinstance(event, Denoising) and event.step == 1)
    assert isinstance(stopped[-1], Cancelled)
    assert pictures(run(engine, request))[0].frames == picture.frames


def test_another_autoencoder_takes_the_place_of_its_own(pairs, tmp_path):
    torch.manual_seed(7)
    other = tiny_flow_vae().requires_grad_(False)
    other.save_pretrained(tmp_path / "deep" / "other")
    engine = Engine(models=[pairs["dev"].folder.parent, tmp_path], cache=tmp_path / "cache", device="cpu")
    request = flow_request(model="dev", vae="other")
    (picture,) = pictures(run(engine, request))
    engine.release()
    pipeline = FluxPipeline(**{**pairs["dev"].pipeline.components, "vae": other})
    latents = pairs["dev"].theirs(request)
    decoded = other.decode(latents / other.config.scaling_factor + other.config.shift_factor).sample
    theirs = (pipeline.image_processor.postprocess(decoded, output_type="np") * 255).round().astype(numpy.uint8)
    assert picture.frames.data == theirs.tobytes()


def test_bfloat16_takes_the_place_of_float16(pairs, tmp_path, monkeypatch):
    """Its numbers overflow in float16, which a graphics card would be given."""
    half = replace(CPU, dtype=torch.float16)
    monkeypatch.setattr(engine_module, "find_device", lambda wish, cache: (half, ()))
    engine = Engine(models=[pairs["dev"].folder.parent], cache=tmp_path)
    (picture,) = pictures(run(engine, flow_request(model="dev")))
    assert picture.result.run.dtype == "bfloat16"
    model = loaded_by(engine)
    assert {weight.dtype for weight in model.transformer.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in model.autoencoder.module.parameters()} == {torch.float32}


def test_a_prompt_beyond_what_t5_reads_is_cut_with_a_word(pairs):
    model = pairs["dev"].model
    texts = model.tokenize(flow_request(prompt="boat " * (MAX_TOKENS + 3)), "none")
    (notice,) = texts.notices
    assert notice.values == {"words": 4}
    assert model.tokenize(flow_request(prompt="boat " * 200), "none").notices == []  # CLIP alone would cut it


def test_other_schedulers_are_refused(pairs, tmp_path):
    engine = Engine(models=[pairs["dev"].folder.parent], cache=tmp_path, device="cpu")
    with pytest.raises(RequestError, match="does not work with the scheduler Euler"):
        run(engine, flow_request(model="dev", scheduler="euler"))


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("tokenizer_2/tokenizer.json", None, "tokenizer_2/tokenizer.json is missing"),
        ("tokenizer_2/tokenizer.json", "{}", "tokenizer_2/tokenizer.json cannot be used"),
        ("text_encoder_2/config.json", {"vocab_size": 20}, "tokens where the text encoder expects 20"),
        ("transformer/config.json", {"in_channels": 32}, "transformer with 32 inputs"),
        ("scheduler/scheduler_config.json", {"base_image_seq_len": 4096}, "scheduler_config.json cannot be used"),
    ],
)
def test_a_damaged_folder_is_told_in_words(pairs, tmp_path, file, change, said):
    folder = shutil.copytree(pairs["schnell"].folder, tmp_path / "flux")
    path = folder / file
    if change is None:
        path.unlink()
    elif isinstance(change, str):
        path.write_text(change)
    else:
        path.write_text(json.dumps({**json.loads(path.read_text()), **change, "use_dynamic_shifting": True}))
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    with pytest.raises(AppError, match=said):
        run(engine, flow_request(model="flux"))
