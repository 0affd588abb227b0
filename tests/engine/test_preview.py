"""The preview shows the picture to come, costs little, and comes at a bounded rate."""

from __future__ import annotations

import json

import numpy
import pytest
import torch

from desktop_app.core.catalog import PreviewFactors
from desktop_app.core.events import Denoising
from desktop_app.engine import preview
from desktop_app.engine.engine import Engine
from desktop_app.engine.preview import Previewer, fit, fitted_factors
from tests.engine.conftest import MODEL, pictures, request_for, run
from tests.tiny_models import tiny_model

CPU = torch.device("cpu")
IDENTITY = PreviewFactors(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)), (0.0, 0.0, 0.0))


def previews(events):
    return [event.preview for event in events if isinstance(event, Denoising)]


def test_colours_and_shape():
    latents = torch.zeros(1, 4, 2, 3)
    latents[0, 0, 0, 0] = 1
    latents[0, 1, 1, 2] = -1
    latents[0, 2, 1, 0] = 99
    frames = Previewer(IDENTITY, CPU).paint(latents, always=True)
    pixels = numpy.frombuffer(frames.data, "uint8").reshape(frames.shape)
    assert frames.shape == (1, 2, 3, 3)
    assert pixels[0, 0, 0].tolist() == [255, 127, 127]
    assert pixels[0, 1, 2].tolist() == [127, 0, 127]
    assert pixels[0, 1, 0].tolist() == [127, 127, 255]


def test_a_film_shows_all_its_frames_in_order():
    film = torch.zeros(1, 4, 3, 2, 3)
    film[0, 0, 0], film[0, 1, 1], film[0, 2, 2] = 1, 1, 1
    frames = Previewer(IDENTITY, CPU).paint(film, always=True)
    pixels = numpy.frombuffer(frames.data, "uint8").reshape(frames.shape)
    assert frames.shape == (3, 2, 3, 3)
    assert [pixels[index].max(axis=(0, 1)).tolist() for index in range(3)] == [
        [255, 127, 127], [127, 255, 127], [127, 127, 255]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("frames", "height", "width", "shape"),
    [(16, 64, 64, (16, 64, 64)), (64, 72, 128, (64, 36, 64)), (512, 64, 65, (512, 21, 21)), (3, 900, 1, (3, 900, 1))],
)
def test_long_films_are_shown_smaller_with_all_their_frames(frames, height, width, shape):
    film = torch.zeros(1, 4, frames, height, width)
    film[:, 0, ::2] = 1
    painted = Previewer(IDENTITY, CPU).paint(film, always=True)
    assert painted.shape == (*shape, 3)
    assert len(painted.data) <= preview.MAX_BYTES
    first = numpy.frombuffer(painted.data, "uint8").reshape(painted.shape)[:, 0, 0, 0]
    assert first.tolist() == [255 if frame % 2 == 0 else 127 for frame in range(frames)]


def test_a_smaller_preview_is_an_average():
    film = torch.rand(1, 4, 400, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5
    painted = Previewer(IDENTITY, CPU).paint(film, always=True)
    assert painted.shape == (400, 21, 21, 3)
    pixels = numpy.frombuffer(painted.data, "uint8").reshape(painted.shape)
    mean = (float(film[0, 1, 7, 3:6, 6:9].mean()) + 1) * 127.5
    assert pixels[7, 1, 2, 1] == pytest.approx(mean, abs=1)


def test_the_rate_is_capped_but_the_last_step_always_shows(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(preview.time, "monotonic", lambda: clock[0])
    painter, latents = Previewer(IDENTITY, CPU), torch.zeros(1, 4, 2, 2)
    assert painter.paint(latents) is not None
    clock[0] = preview.INTERVAL * 0.9
    assert painter.paint(latents) is None
    assert painter.paint(latents, always=True) is not None
    clock[0] = preview.INTERVAL * 2
    assert painter.paint(latents) is not None


def test_fitted_factors_recognise_the_colours_of_an_autoencoder():
    """Against an encoder that mixes colours into four channels, with some of the detail a real one has."""
    mix = torch.tensor([[0.6, -0.3, 0.1], [0.1, 0.7, -0.4], [-0.2, 0.2, 0.9], [0.5, 0.5, 0.5]])

    def encode(pictures: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.interpolate(pictures, scale_factor=1 / 8, mode="area")
        return torch.einsum("lc,nchw->nlhw", mix, small) + 0.2 + 0.05 * torch.sin(20 * small.sum(1, keepdim=True))

    factors = fit(encode)
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1
    picture = torch.nn.functional.interpolate(picture, size=(128, 128), mode="nearest")
    frames = Previewer(factors, CPU).paint(encode(picture), always=True)
    shown = torch.frombuffer(bytearray(frames.data), dtype=torch.uint8).reshape(16, 16, 3) / 127.5 - 1
    assert (shown - picture[0, :, ::8, ::8].permute(1, 2, 0)).abs().mean() < 0.08


def test_fitted_factors_are_finite_even_for_a_dead_channel():
    factors = fit(lambda pictures: torch.zeros(len(pictures), 4, 16, 16))
    assert numpy.isfinite([*numpy.ravel(factors.factors), *factors.bias]).all()


def test_factors_are_fitted_once_and_kept(tmp_path):
    calls = []

    def encode(pictures: torch.Tensor) -> torch.Tensor:
        calls.append(len(pictures))
        return torch.nn.functional.interpolate(pictures, scale_factor=1 / 8, mode="area")[:, [0, 1, 2, 0]]

    file = tmp_path / "deep" / "preview.json"
    first = fitted_factors(encode, file)
    assert fitted_factors(encode, file) == first
    assert len(calls) == 1
    for damage in ("", "{}", '{"factors": [[1]], "bias": [0, 0, 0]}'):
        file.write_text(damage)
        assert fitted_factors(encode, file) == first
    assert json.loads(file.read_text())["bias"] == list(first.bias)


def test_the_engine_fits_a_model_without_factors_and_remembers(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    shown = previews(run(engine, request_for()))
    (file,) = tmp_path.glob("preview-*.json")
    stamp = file.stat().st_mtime_ns
    assert shown[0] is None
    assert shown[-1].shape == (1, 8, 8, 3)
    run(Engine(models=[models], cache=tmp_path, device="cpu"), request_for())
    assert [file.stat().st_mtime_ns for file in tmp_path.glob("preview-*.json")] == [stamp]


def test_a_models_own_factors_win(tmp_path):
    own = {"factors": [[0, 0, 0]] * 4, "bias": [1, -1, 1]}
    tiny_model(tmp_path / MODEL, facts={"preview": own})
    shown = previews(run(Engine(models=[tmp_path], cache=tmp_path / "cache", device="cpu"), request_for()))
    assert shown[-1].data == bytes([255, 0, 255]) * 64
    assert not list((tmp_path / "cache").glob("preview-*"))


def test_preview_off_gives_none_and_fits_nothing(models, tmp_path):
    engine = Engine(models=[models], cache=tmp_path, device="cpu")
    assert set(previews(run(engine, request_for(), preview=False))) == {None}
    assert not list(tmp_path.glob("preview-*"))


def test_preview_does_not_change_the_picture(engine):
    with_preview, without = (pictures(run(engine, request_for(), preview=on))[0].frames for on in (True, False))
    assert with_preview == without


@pytest.mark.parametrize("width", [64, 96])
def test_the_preview_has_latent_resolution(engine, width):
    assert previews(run(engine, request_for(width=width)))[-1].shape == (1, 8, width // 8, 3)
