"""What a start file gives to a request: its frames, at the request's speed and size."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from desktop_app.core.control import StopSignal
from desktop_app.core.events import Finished, Notice
from desktop_app.core.request import EXTEND, GenerationRequest
from desktop_app.engine.engine import Engine
from desktop_app.engine.start import as_frames, as_input, as_pixels, at_speed, changes, pick, read_start, spread
from tests.engine.conftest import noisy_pixels, pictures, request_for, run
from tests.tiny_models import SIZE, add_motion_adapter, tiny_model


def write_picture(path: Path, seed: int = 0) -> Tensor:
    pixels = noisy_pixels(1, seed=seed)
    Image.fromarray(pixels[0].numpy()).save(path)
    return pixels


def write_film(path: Path, shades: list[int], milliseconds: int) -> Path:
    """A GIF with one shade of grey per frame."""
    frames = [Image.new("L", (SIZE, SIZE), shade) for shade in shades]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return path


def shades_of(frames: Tensor) -> list[int]:
    """The shades of a start's frames, (n, 3, height, width) in [-1, 1]."""
    return [round(float((frame.mean() + 1) * 127.5)) for frame in frames]


def film_request(path: Path, **values: Any) -> GenerationRequest:
    return request_for(**{"kind": "film", "frames": 4, "fps": 10, "start": str(path), **values})


def test_pixels_become_input_and_back():
    pixels = noisy_pixels(3, width=96)
    assert as_pixels(as_frames(pixels)).equal(pixels)
    given_to_model = as_input(as_frames(pixels))
    assert given_to_model.shape == (3, 3, SIZE, 96)
    assert (float(given_to_model.min()), float(given_to_model.max())) == (-1, 1)
    assert ((given_to_model.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().equal(pixels)


def test_frames_are_picked_in_order():
    pixels = noisy_pixels(3)
    assert as_pixels(pick(as_frames(pixels), [2, 0, 0])).equal(pixels[[2, 0, 0]])


@pytest.mark.parametrize(
    ("count", "fps", "wanted", "numbers"),
    [
        (4, 8, 8, [0, 1, 2, 3]),
        (4, 8, 4, [0, 2]),
        (3, 4, 8, [0, 0, 1, 2, 2, 2]),
        (1, 25, 8, [0]),
    ],
)
def test_a_film_at_another_speed(count, fps, wanted, numbers):
    assert at_speed(count, fps, wanted) == numbers


@given(st.integers(1, 300), st.floats(0.5, 120), st.integers(1, 60), st.integers(2, 100))
def test_frames_for_a_film_drawn_anew(count, fps, wanted, frames):
    numbers = spread(count, fps, request_for(kind="film", frames=frames, fps=wanted))
    assert len(numbers) == frames
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-1] <= count - 1
    if (count - 1) / fps <= (frames - 1) / wanted:  # too short: played slower, so that it ends with the request
        assert numbers[-1] == count - 1
    else:
        assert abs(numbers[-1] / fps - (frames - 1) / wanted) <= 0.5 / fps + 1e-9


@given(st.integers(1, 200), st.floats(0.5, 120), st.integers(1, 60))
def test_a_film_keeps_its_length_in_seconds(count, fps, wanted):
    numbers = at_speed(count, fps, wanted)
    assert numbers == sorted(numbers)
    assert numbers[0] == 0
    assert numbers[-1] <= count - 1
    assert abs(len(numbers) / wanted - count / fps) <= 0.5 / wanted + 1e-9 or len(numbers) == 1


def test_a_file_that_changed_since_is_mentioned(tmp_path):
    file = tmp_path / "start.png"
    write_picture(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    request = request_for(start=str(file), start_digest=digest)
    assert changes(request) == ()
    assert changes(replace(request, start_digest="")) == ()
    write_picture(file, seed=1)
    (message,) = changes(request)
    assert (message.id, message.values) == ("start.changed", {"file": "start.png"})


def test_a_picture_for_a_picture(tmp_path):
    pixels = write_picture(tmp_path / "start.png")
    start = read_start(request_for(start=str(tmp_path / "start.png")), 1)
    assert start.frames.equal(as_input(as_frames(pixels)))
    assert start.before is None


def test_a_picture_stands_for_every_frame(tmp_path):
    pixels = write_picture(tmp_path / "start.png")
    start = read_start(film_request(tmp_path / "start.png"), 16)
    assert start.frames.equal(as_input(as_frames(pixels)).expand(4, -1, -1, -1))


@pytest.mark.parametrize(
    ("fps", "frames", "shades"),
    [
        (10, 4, [0, 40, 80, 120]),  # its own speed
        (5, 4, [0, 80, 160, 240]),  # every other frame
        (10, 3, [0, 40, 80]),
        (20, 13, [0, 0, 40, 80, 80, 80, 120, 160, 160, 160, 200, 240, 240]),  # halves are rounded to even numbers
    ],
)
def test_a_film_is_seen_at_the_requests_speed(tmp_path, fps, frames, shades):
    file = write_film(tmp_path / "film.gif", [0, 40, 80, 120, 160, 200, 240], 100)
    assert shades_of(read_start(film_request(file, fps=fps, frames=frames), 16).frames) == shades


def test_a_film_that_is_too_short_is_played_slower(tmp_path):
    file = write_film(tmp_path / "film.gif", [0, 120, 240], 100)
    assert shades_of(read_start(film_request(file, frames=5), 16).frames) == [0, 0, 120, 240, 240]


def test_an_extended_film_is_kept_whole_and_known_at_its_end(tmp_path):
    file = write_film(tmp_path / "film.gif", [0, 40, 80, 120, 160, 200], 100)
    start = read_start(film_request(file, start_use=EXTEND), 8)
    assert start.before is not None
    assert start.before.shape == (6, SIZE, SIZE, 3)
    assert shades_of(start.frames) == [160, 200]
    one = read_start(film_request(file, start_use=EXTEND), 1)
    assert shades_of(one.frames) == [200]


def test_what_is_kept_of_an_extended_film_has_the_finished_size(tmp_path):
    file = write_film(tmp_path / "film.gif", [0, 40], 100)
    start = read_start(film_request(file, start_use=EXTEND, enlarge=4), 8)
    assert start.before is not None
    assert start.before.shape == (2, 4 * SIZE, 4 * SIZE, 3)
    assert start.frames.shape[2:] == (SIZE, SIZE)


@pytest.fixture
def film_engine(tmp_path: Path) -> Engine:
    add_motion_adapter(tiny_model(tmp_path / "models" / "tiny"))
    return Engine(models=[tmp_path / "models"], cache=tmp_path / "cache", device="cpu")


def test_the_whole_engine_extends_a_film(film_engine, tmp_path):
    file = write_film(tmp_path / "film.gif", [0, 40, 80, 120, 160, 200], 100)
    (film,) = pictures(run(film_engine, film_request(file, start_use=EXTEND)))
    pixels = numpy.frombuffer(film.frames.data, "uint8").reshape(film.frames.shape)
    assert film.frames.count == 6 + 4
    assert pixels[:6, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]


def test_the_whole_engine_starts_from_a_picture_and_says_when_it_changed(film_engine, tmp_path):
    file = tmp_path / "start.png"
    write_picture(file)
    request = request_for(start=str(file), strength=0.5, start_digest=hashlib.sha256(file.read_bytes()).hexdigest())
    events = run(film_engine, request)
    assert not [event for event in events if isinstance(event, Notice)]
    write_picture(file, seed=1)
    stop = StopSignal()
    changed = list(film_engine.generate(request, stop))
    (notice,) = [event.message for event in changed if isinstance(event, Notice)]
    assert notice.id == "start.changed"
    assert isinstance(changed[-1], Finished)
    assert pictures(changed)[0].frames != pictures(events)[0].frames
