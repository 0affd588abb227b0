"""Small films that move, and a script that makes one, for the tests of the window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image

from desktop_app.core import events as ev
from desktop_app.core.frames import Frames
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result
from desktop_app.export.pictures import Saved
from tests.scripted import RUN


def moving(count: int = 6, width: int = 32, height: int = 24, shade: int = 40) -> Frames:
    """Every frame has a shade of its own: ``shade``, ``shade + 30``, and so on."""
    return Frames(count, height, width, b"".join(bytes([shade + 30 * i]) * (width * height * 3) for i in range(count)))


def film_request(request: GenerationRequest, frames: int = 6, fps: int = 8) -> GenerationRequest:
    return replace(request, kind="film", frames=frames, fps=fps)


def draw_film(request: GenerationRequest) -> Iterator[ev.Event]:
    """A film of ``request.frames`` frames; each step's preview is a little brighter than the one before."""
    yield ev.Encoding()
    for step in range(1, request.steps + 1):
        yield ev.Denoising(0, 1, step, request.steps, moving(request.frames, 8, 8, step))
    yield ev.Decoding(0)
    result = Result(request=request.single(0), run=RUN, seconds=1.0, steps_done=request.steps)
    yield ev.Picture(0, moving(request.frames, *request.final_size), result)
    yield ev.Finished(1.0)


def write_gif(path: Path, frames: Frames, fps: int) -> Path:
    """A GIF of ``frames``, which Qt and Pillow read without any help."""
    size = frames.height * frames.width * 3
    images = [
        Image.frombytes("RGB", (frames.width, frames.height), frames.data[i * size : (i + 1) * size])
        for i in range(frames.count)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    images[0].save(path, save_all=True, append_images=images[1:], duration=1000 // fps, loop=0)
    return path


def save_gif(folder: Path):
    """In place of the export of pictures: every film becomes a GIF named after its seed."""

    def save(frames: Frames, result: Result) -> Saved:
        return Saved(write_gif(folder / f"{result.seed}.gif", frames, result.request.fps), ())

    return save
