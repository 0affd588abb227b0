"""A tiny autoencoder decodes as in diffusers' pipeline, and makes previews sharp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
import torch
from diffusers import AutoencoderTiny

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core.events import Denoising
from desktop_app.engine.engine import Engine
from tests.engine.conftest import pictures, request_for, run
from tests.engine.test_autoencoder import REPLAY, options
from tests.engine.test_oracle import diffusers_pipeline
from tests.tiny_models import SIZE, tiny_model


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
    facts = read_model_facts(folder / "tiny", [tmp_path])
    assert facts.tiny_autoencoders == ("mine", "taesd-2")
    assert facts.autoencoders == ("mine", "taesd-2")
