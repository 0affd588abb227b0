"""Films longer than a model's window, against a plain implementation written out here; and films that loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, UNetMotionModel
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from desktop_app.core.catalog import FAMILIES
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.denoise import denoise
from desktop_app.engine.families.animate_diff import AnimateDiff
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.schedulers import build_scheduler
from desktop_app.engine.windows import positions, smooth_weights, windowed
from tests.engine.conftest import CPU, job_for, made, request_for
from tests.tiny_models import SIZE, add_motion_adapter, loaded, tiny_model

WINDOW = 4
FILM_FACTS: Any = FAMILIES["stable-diffusion"].film


class Short:
    """A film model whose adapter knows :data:`WINDOW` frames."""

    def __init__(self, folder: Path) -> None:
        self.folder = tiny_model(folder)
        self.adapter = add_motion_adapter(folder, longest=WINDOW)
        self.pictures: Any = loaded(StableDiffusion.load(folder, CPU, lambda: None))
        self.film: AnimateDiff = loaded(
            AnimateDiff.load(self.pictures, folder / "motion_adapter", FILM_FACTS, lambda: None)
        )

    def latents(self, request: GenerationRequest, noise: Tensor | None = None, loop: bool = False) -> Tensor:
        request = replace(request, loop=loop)
        job = job_for(self.folder, self.film, request)
        generator = torch.Generator().manual_seed(request.seed)
        predict = self.film.predictor(job.conditioning, request, job.run.guidance_form, None, generator)
        noise = self.film.noise(request, generator) if noise is None else noise
        scheduler = build_scheduler(request.scheduler, "default", self.film.scheduler_config, request.steps, "tiny")
        *_, last = denoise(predict, scheduler, noise, request.steps, generator)
        return last.latents


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Short]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Short(tmp_path_factory.mktemp("windows") / "tiny")
    torch.set_num_threads(threads)


def film_request(frames: int, **changes: Any) -> GenerationRequest:
    return request_for(**{"kind": "film", "frames": frames, "steps": 3, **changes})


@torch.no_grad()
def plain_film(short: Short, request: GenerationRequest, windows: list[range]) -> Tensor:
    """DDIM over diffusers' own motion U-Net, window by window, as one would write it down."""
    unet: Any = UNetMotionModel.from_unet2d(short.pictures.unet, short.adapter)
    texts = short.film.encode(short.film.tokenize(request, "batched"))
    assert texts.negative is not None
    scheduler: Any = DDIMScheduler.from_config(short.film.scheduler_config, steps_offset=1, clip_sample=False)
    scheduler.set_timesteps(request.steps)
    latents = short.film.noise(request, torch.Generator().manual_seed(request.seed))
    hill = [math.sin((place + 0.5) / WINDOW * math.pi) ** 2 for place in range(WINDOW)]
    for t in scheduler.timesteps:
        votes: list[list[tuple[float, Tensor]]] = [[] for _ in range(request.frames)]
        for window in windows:
            part = latents[:, :, window.start : window.stop]
            without, told = (
                unet(part, t, words.expand(WINDOW, -1, -1)).sample for words in (texts.negative, texts.positive)
            )
            answer = without + request.guidance_scale * (told - without)
            for place, frame in enumerate(window):
                votes[frame].append((hill[place], answer[:, :, place]))
        mean = [sum(w * vote for w, vote in told) / sum(w for w, _ in told) for told in votes]
        latents = scheduler.step(torch.stack(mean, dim=2), t, latents).prev_sample
    return latents


@pytest.mark.parametrize(
    ("frames", "windows"),
    [(7, [range(4), range(3, 7)]), (9, [range(4), range(2, 6), range(5, 9)]), (5, [range(4), range(1, 5)])],
)
def test_a_long_film_equals_a_plain_implementation(short, frames, windows):
    request = film_request(frames)
    assert positions(frames, WINDOW, loop=False) == [list(window) for window in windows]
    torch.testing.assert_close(short.latents(request), plain_film(short, request, windows), rtol=1e-3, atol=1e-3)


def test_the_plain_implementation_can_tell_windows_apart(short):
    request = film_request(7)
    other = plain_film(short, request, [range(4), range(2, 6), range(3, 7)])
    assert (short.latents(request) - other).abs().max() > 0.05


def test_the_engine_makes_long_films_in_the_adapters_windows(short):
    """The facts say that the family sees 16 frames, but this adapter knows 4."""
    request = film_request(7)
    job = job_for(short.folder, short.film, request)
    assert job.facts.film is not None
    assert job.facts.film.window == 16
    film = made(job)
    assert film.shape == (7, SIZE, SIZE, 3)
    assert torch.equal(film, short.film.decode(short.latents(request)))


@pytest.mark.parametrize("frames", [2, WINDOW])
def test_a_film_within_one_window_is_left_alone(frames):
    def predict(film: Tensor, t: Tensor) -> Tensor:
        return film

    assert windowed(lambda numbers: predict, frames, WINDOW, loop=False) is predict


@given(st.integers(2, 200), st.integers(1, 32), st.booleans(), st.integers(0, 500))
def test_windows_cover_every_frame_and_overlap(frames, window, loop, shift):
    windows = positions(frames, window, loop=loop, shift=shift % frames if loop else 0)
    assert {frame for numbers in windows for frame in numbers} == set(range(frames))
    assert {len(numbers) for numbers in windows} == {min(window, frames)}
    for numbers in windows:
        assert all((after - before) % frames == 1 for before, after in pairwise(numbers))
    starts = [numbers[0] for numbers in windows]
    overlap = math.ceil(window / 4) if window > 1 and frames > window else 0
    for here, there in zip(starts, [*starts[1:], starts[0]] if loop else starts[1:], strict=loop):
        assert (there - here) % frames <= max(1, window - overlap)
    if not loop:
        assert (windows[0][0], windows[-1][-1]) == (0, frames - 1)
        assert starts == sorted(starts)


@given(st.integers(2, 200), st.integers(1, 32), st.integers(0, 199))
def test_windows_on_a_circle_turn_with_their_shift(frames, window, shift):
    still, turned = (positions(frames, window, loop=True, shift=by) for by in (0, shift % frames))
    assert turned == [[(frame + shift) % frames for frame in numbers] for numbers in still]


@pytest.mark.parametrize("window", [1, 2, 3, 16])
def test_weights_are_symmetric_and_never_zero(window):
    weights = smooth_weights(window)
    assert torch.allclose(weights, weights.flip(0))
    assert float(weights.min()) > 0
    assert int(weights.argmax()) in ((window - 1) // 2, window // 2)


@pytest.mark.parametrize("places", [3, 6])
def test_a_looping_film_turns_with_its_noise(short, places):
    """9 frames in 3 windows, 3 frames apart: after a turn by 3 frames the circle of windows is the same."""
    request = film_request(9, steps=4)
    assert [numbers[0] for numbers in positions(9, WINDOW, loop=True)] == [0, 3, 6]
    noise = short.film.noise(request, torch.Generator().manual_seed(1))
    film = short.latents(request, noise, loop=True)
    turned = short.latents(request, noise.roll(places, dims=2), loop=True)
    torch.testing.assert_close(turned, film.roll(places, dims=2), rtol=1e-4, atol=1e-4)
    assert (film - short.latents(request, noise)).abs().max() > 0.05  # which is another film than without a loop


def test_a_loop_has_no_fixed_seam():
    """Every two neighbours on the circle, the last and the first frame too, are seen together and turn by turn."""
    frames, evaluations, calls = 9, 6, []

    def predict(film: Tensor, t: Tensor) -> Tensor:
        calls.append([int(frame) for frame in film[0, 0, :, 0, 0]])
        return film

    film = torch.arange(frames).float().view(1, 1, frames, 1, 1).expand(1, 4, frames, 2, 2)
    loop = windowed(lambda numbers: predict, frames, WINDOW, loop=True)
    for _ in range(evaluations):
        assert torch.allclose(loop(film, torch.tensor(1)), film)  # weights add up to one everywhere
    together = {frozenset(pair) for numbers in calls for pair in pairwise(numbers)}
    assert together == {frozenset((frame, (frame + 1) % frames)) for frame in range(frames)}
    assert len({numbers[0] for numbers in calls[:: len(calls) // evaluations]}) > 3


def test_a_loop_within_one_window_turns_too():
    firsts = []

    def predict(film: Tensor, t: Tensor) -> Tensor:
        firsts.append(int(film[0, 0, 0, 0, 0]))
        return film

    film = torch.arange(8).float().view(1, 1, 8, 1, 1).expand(1, 4, 8, 2, 2)
    loop = windowed(lambda numbers: predict, 8, 16, loop=True)
    for _ in range(8):
        assert torch.allclose(loop(film, torch.tensor(1)), film)
    assert len(set(firsts)) > 5
