"""An autoencoder in the place of the model's own: pictures and films are those of a pipeline with that autoencoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image
from safetensors.torch import save_file

from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.events import Notice
from desktop_app.core.frames import Frames
from desktop_app.core.guidance_form import BATCHED
from desktop_app.core.result import RunRecord
from desktop_app.engine.engine import Engine
from tests.engine.conftest import pictures, request_for, run
from tests.engine.test_oracle import diffusers_pipeline, diffusers_scheduler
from tests.original_layout import original_vae
from tests.tiny_models import SIZE, add_autoencoder, add_motion_adapter, tiny_model, tiny_xl_pipeline

REPLAY = RunRecord(device="cpu", device_name="", dtype="float32", guidance_form=BATCHED, threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    add_motion_adapter(tiny_model(folder / "tiny"))
    return folder


@pytest.fixture(scope="module")
def other(folder: Path) -> AutoencoderKL:
    return add_autoencoder(folder / "other")


@pytest.fixture(scope="module")
def swapping(folder: Path, other: AutoencoderKL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(models=[folder], cache=tmp_path_factory.mktemp("cache"), device="cpu")
    yield engine
    engine.release()


def made(engine: Engine, **changes: Any) -> numpy.ndarray:
    frames: Frames = pictures(run(engine, request_for(**changes), replay=REPLAY))[0].frames
    return numpy.frombuffer(frames.data, numpy.uint8).reshape(frames.shape)


def options(request: Any) -> dict[str, Any]:
    return {
        "num_inference_steps": request.steps,
        "guidance_scale": request.guidance_scale,
        "generator": torch.Generator().manual_seed(request.seed),
        "output_type": "pil",
    }


def test_a_picture_is_that_of_a_pipeline_with_this_autoencoder(swapping, folder, other):
    request = request_for()
    ours = made(swapping, vae="other")
    pipeline = diffusers_pipeline(folder / "tiny")
    pipeline.vae = other
    theirs = pipeline(request.prompt, width=SIZE, height=SIZE, **options(request)).images
    assert numpy.array_equal(ours, numpy.stack([numpy.asarray(picture) for picture in theirs]))
    assert not numpy.array_equal(made(swapping), ours), "without it, the model's own is back"
    assert numpy.array_equal(made(swapping, vae="other"), ours)


def test_a_start_picture_goes_through_it_both_ways(swapping, folder, other, tmp_path):
    noise = numpy.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=numpy.uint8)
    Image.fromarray(noise).save(tmp_path / "start.png")
    request = request_for(steps=5, start=str(tmp_path / "start.png"), strength=0.6, vae="other")
    changes = {"steps": 5, "start": request.start, "strength": 0.6, "vae": "other"}
    ours = made(swapping, **changes)[0]
    pipeline = diffusers_pipeline(folder / "tiny")
    parts = {**pipeline.components, "vae": other}
    from_picture = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    from_picture.set_progress_bar_config(disable=True)
    theirs = from_picture(request.prompt, image=Image.fromarray(noise), strength=0.6, **options(request)).images[0]
    assert numpy.array_equal(ours, numpy.asarray(theirs))


def test_a_film_is_decoded_by_it(swapping):
    changes = {"kind": "film", "frames": 3, "steps": 2}
    own, other = made(swapping, **changes), made(swapping, **changes, vae="other")
    assert own.shape == other.shape
    assert not numpy.array_equal(own, other)
    assert numpy.array_equal(made(swapping, **changes), own)


def test_one_that_does_not_fit_is_refused(swapping):
    with pytest.raises(RequestError, match=r"no autoencoder .* “another” that fits the model Tiny"):
        made(swapping, vae="another")


def test_a_damaged_one_is_named(swapping, folder):
    add_autoencoder(folder / "broken")
    weights = folder / "broken" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(AppError, match="broken/diffusion_pytorch_model"):
        made(swapping, vae="broken")


@pytest.mark.parametrize("layout", ["original", "diffusers"])
def test_a_file_in_another_programs_folder_serves_xl_in_either_layout(layout, tmp_path):
    tiny_xl_pipeline().save_pretrained(tmp_path / "tiny")
    other = tiny_xl_pipeline(seed=4).vae.requires_grad_(False)
    weights = other.state_dict()
    file = tmp_path / "comfy" / "vae" / "other_xl.safetensors"
    file.parent.mkdir(parents=True)
    save_file(original_vae(weights, 4) if layout == "original" else weights, file)
    request = request_for(vae="other_xl")
    engine = Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu")
    ours = pictures(run(engine, request, replay=REPLAY))[0].frames
    engine.release()
    pipeline = StableDiffusionXLPipeline.from_pretrained(tmp_path / "tiny", vae=other, add_watermarker=False)
    pipeline.set_progress_bar_config(disable=True)
    told = (request.scheduler, request.schedule_type, pipeline.scheduler.config, request.seed)
    pipeline.scheduler = diffusers_scheduler(*told)
    theirs = pipeline(request.prompt, width=SIZE, height=SIZE, **options(request)).images[0]
    assert ours.data == numpy.asarray(theirs).tobytes()


class ShortOnce:
    """Decodes, but has no memory for anything larger than ``most`` latent pixels along a side."""

    def __init__(self, module: Any, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[int, int]] = []
        self._forward, self._most = module.decoder.forward, most
        monkeypatch.setattr(module.decoder, "forward", self)

    def __call__(self, latents: torch.Tensor, *rest: Any) -> torch.Tensor:
        self.asked.append((latents.shape[-2], latents.shape[-1]))
        if max(latents.shape[-2:]) > self._most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._forward(latents, *rest)


def tiled_by_diffusers(folder: Path, request: Any) -> numpy.ndarray:
    pipeline = diffusers_pipeline(folder / "tiny")
    pipeline.vae.enable_tiling()
    picture = pipeline(request.prompt, width=request.width, height=request.height, **options(request)).images[0]
    return numpy.asarray(picture)


def test_where_memory_runs_out_a_picture_is_decoded_in_tiles_as_diffusers_does(swapping, folder, monkeypatch):
    request = request_for(width=128, height=96)
    whole = made(swapping, width=128, height=96)
    module = next(reversed(swapping.shelf.models.values())).autoencoder.module
    short = ShortOnce(module, SIZE // 8, monkeypatch)
    events = run(swapping, request, replay=REPLAY)
    assert short.asked[0] == (12, 16)
    assert max(max(asked) for asked in short.asked[1:]) == SIZE // 8
    assert [event.message.id for event in events if isinstance(event, Notice)].count("engine.tiled") == 1
    picture = pictures(events)[0]
    ours = numpy.frombuffer(picture.frames.data, numpy.uint8).reshape(picture.frames.shape)[0]
    assert numpy.array_equal(ours, tiled_by_diffusers(folder, request))
    assert not numpy.array_equal(ours, whole[0])
    assert picture.result.run.tiled
    monkeypatch.undo()
    assert not module.use_tiling
    again = pictures(run(swapping, request, replay=picture.result.run))[0]
    assert again.frames == picture.frames, "a repeated run is decoded in tiles, memory or not"
    assert not pictures(run(swapping, request, replay=REPLAY))[0].result.run.tiled


def test_tiles_that_do_not_fit_either_are_not_tried_again(swapping, monkeypatch):
    made(swapping)
    module = next(reversed(swapping.shelf.models.values())).autoencoder.module
    short = ShortOnce(module, 0, monkeypatch)
    with pytest.raises(AppError, match="not enough memory"):
        run(swapping, request_for(width=128), replay=REPLAY)
    assert len(short.asked) == 2
    assert not module.use_tiling
