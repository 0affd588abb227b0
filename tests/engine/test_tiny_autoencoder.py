"""A tiny autoencoder decodes as in diffusers' pipeline, and makes previews sharp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionImg2ImgPipeline
from PIL import Image
from safetensors.torch import save_file

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.finding import files_in
from desktop_app.checkpoints.lone_parts import find_parts
from desktop_app.core.events import Denoising
from desktop_app.engine.engine import Engine
from desktop_app.engine.parts.autoencoder import to_pixels
from desktop_app.engine.parts.latent_diffusion import load_autoencoder
from tests.engine.conftest import CPU, pictures, request_for, run
from tests.engine.test_autoencoder import REPLAY, options
from tests.engine.test_oracle import diffusers_pipeline
from tests.tiny_models import SIZE, loaded, tiny_model


def write_tiny(folder: Path, channels: int = 4) -> AutoencoderTiny:
    torch.manual_seed(3)
    widths = (8, 8, 8, 8)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=widths, decoder_block_out_channels=widths, latent_channels=channels
    )
    tiny.save_pretrained(folder)
    return tiny.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny_model(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def taesd(folder: Path) -> AutoencoderTiny:
    return write_tiny(folder / "taesd")


@pytest.fixture(scope="module")
def engine(folder: Path, taesd: AutoencoderTiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(models=[folder], cache=tmp_path_factory.mktemp("cache"), device="cpu", sharp_preview=0.001)
    yield engine
    engine.release()


def test_a_picture_is_that_of_a_pipeline_with_it(engine, folder, taesd):
    request = request_for(vae="taesd")
    picture = pictures(run(engine, request, replay=REPLAY))[0].frames
    pipeline = diffusers_pipeline(folder / "tiny")
    pipeline.vae = taesd
    theirs = pipeline(request.prompt, width=SIZE, height=SIZE, **options(request)).images[0]
    assert numpy.array_equal(numpy.frombuffer(picture.data, numpy.uint8).reshape(picture.shape)[0], theirs)


def test_previews_are_in_the_size_of_the_picture_and_the_last_is_its_decoding(engine):
    previews = [event.preview for event in run(engine, request_for()) if isinstance(event, Denoising)]
    assert [preview.shape[1:3] for preview in previews if preview] == [(SIZE, SIZE)] * 3
    decoded = pictures(run(engine, request_for(vae="taesd")))[0].frames
    last, whole = (numpy.frombuffer(frames.data, numpy.uint8).astype(int) for frames in (previews[-1], decoded))
    assert abs(last - whole).max() <= 1


def test_without_the_wish_they_stay_soft(engine, folder, tmp_path):
    soft = Engine(models=[folder], cache=tmp_path, device="cpu")
    previews = [event.preview for event in run(soft, request_for()) if isinstance(event, Denoising) and event.preview]
    assert {preview.shape[1:3] for preview in previews} == {(SIZE // 8, SIZE // 8)}


def test_between_two_sharp_previews_nothing_is_shown(folder, taesd, tmp_path):
    rare = Engine(models=[folder], cache=tmp_path, device="cpu", sharp_preview=1000)
    events = [event for event in run(rare, request_for(steps=5)) if isinstance(event, Denoising)]
    assert [event.step for event in events if event.preview] == [1, 5]


def test_one_for_other_latents_is_not_offered(folder, taesd, tmp_path):
    for name, channels in (("madebyollin-taesdxl", 4), ("taef1", 16), ("mine", 4), ("taesd-2", 4), ("wide", 16)):
        write_tiny(tmp_path / name, channels)
    facts = read_model_facts(folder / "tiny", find_parts(files_in([tmp_path])))
    assert facts.tiny_autoencoders == ("mine", "taesd-2")
    assert facts.autoencoders == ("mine", "taesd-2")


def file_weights(tiny: AutoencoderTiny, half: str) -> dict[str, torch.Tensor]:
    """Of the encoder or decoder, as the author of TAESD names its layers: the first of his decoder has no weights."""
    first = 1 if half == "decoder" else 0
    weights = getattr(tiny, half).layers.state_dict()
    split = {name: name.split(".", 1) for name in weights}
    return {f"{int(number) + first}.{rest}": weights[name].clone() for name, (number, rest) in split.items()}


def published(channels: int) -> AutoencoderTiny:
    """One with the widths of those that are published."""
    torch.manual_seed(channels)
    return AutoencoderTiny(latent_channels=channels).eval().requires_grad_(False)


def write_files(folder: Path, tiny: AutoencoderTiny, layout: str) -> Path:
    """``tiny`` in one file or two; returns the one that is loaded."""
    folder.mkdir()
    encoder, decoder = file_weights(tiny, "encoder"), file_weights(tiny, "decoder")
    if layout == "halves":
        save_file(encoder, folder / "taesd_encoder.safetensors")
        save_file(decoder, folder / "taesd_decoder.safetensors")
        return folder / "taesd_decoder.safetensors"
    if layout == "diffusers":
        save_file(tiny.state_dict(), folder / "taesd.safetensors")
    else:
        both = {"encoder": encoder, "decoder": decoder}
        named = {f"{layout}{half}.{name}": value for half in both for name, value in both[half].items()}
        save_file(named, folder / "taesd.safetensors")
    return folder / "taesd.safetensors"


@pytest.mark.parametrize("channels", [4, 16])
@pytest.mark.parametrize("layout", ["halves", "diffusers", "", "taesd_"])
def test_files_are_tensor_for_tensor_what_diffusers_has(channels, layout, tmp_path):
    tiny = published(channels)
    path = write_files(tmp_path / "vae_approx", tiny, layout)
    loaded_one = loaded(load_autoencoder(path, tmp_path, CPU, lambda: None))
    ours, theirs = loaded_one.module.state_dict(), tiny.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    pictures_in, latents = torch.rand(1, 3, 32, 32) * 2 - 1, torch.randn(1, channels, 4, 4)
    assert torch.equal(loaded_one.mean(pictures_in), tiny.encode(pictures_in).latents)
    assert torch.equal(loaded_one.decode(latents), to_pixels(tiny.decode(latents).sample))


@pytest.fixture(scope="module")
def with_files(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A model, and of a tiny autoencoder the decoder alone, as ComfyUI keeps it."""
    comfy = tmp_path_factory.mktemp("comfy")
    (comfy / "vae_approx").mkdir()
    save_file(file_weights(published(4), "decoder"), comfy / "vae_approx" / "taesd_decoder.safetensors")
    (comfy / "tiny").symlink_to(folder / "tiny")
    engine = Engine(models=[comfy], cache=tmp_path_factory.mktemp("cache"), device="cpu", sharp_preview=0.001)
    yield engine
    engine.release()


def test_a_decoder_alone_draws_what_a_pipeline_with_it_draws_and_previews(with_files, folder):
    request = request_for(vae="taesd")
    events = run(with_files, request, replay=REPLAY)
    picture = pictures(events)[0].frames
    pipeline = diffusers_pipeline(folder / "tiny")
    pipeline.vae = published(4)
    theirs = pipeline(request.prompt, width=SIZE, height=SIZE, **options(request)).images[0]
    assert numpy.array_equal(numpy.frombuffer(picture.data, numpy.uint8).reshape(picture.shape)[0], theirs)
    previews = [event.preview for event in events if isinstance(event, Denoising) and event.preview]
    assert {preview.shape[1:3] for preview in previews} == {(SIZE, SIZE)}


def test_where_there_is_a_decoder_alone_the_models_own_autoencoder_encodes(with_files, folder, tmp_path):
    noise = numpy.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=numpy.uint8)
    Image.fromarray(noise).save(tmp_path / "start.png")
    request = request_for(start=str(tmp_path / "start.png"), strength=0.6, vae="taesd", steps=5)
    picture = pictures(run(with_files, request, replay=REPLAY))[0].frames
    parts = diffusers_pipeline(folder / "tiny").components
    from_picture = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    from_picture.set_progress_bar_config(disable=True)
    told = {**options(request), "output_type": "latent"}
    latents = from_picture(request.prompt, image=Image.fromarray(noise), strength=0.6, **told).images
    theirs = to_pixels(published(4).decode(latents).sample)
    assert picture.data == theirs.numpy().tobytes()
