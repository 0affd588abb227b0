"""The picture or film that a request starts from: read, fitted to the request's size, and turned into what it needs."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.request import EXTEND, GenerationRequest


@dataclass(frozen=True, slots=True)
class Start:
    """What a start file gives to one request."""

    frames: Tensor
    """(n, 3, height, width) float32 in [-1, 1] on the CPU: one for a picture, ``request.frames`` to draw a film anew,
    the last ones that the model is to know to extend it."""
    before: Tensor | None
    """(n, height, width, 3) uint8, of the finished size: what an extended film begins with; None if not extended."""
    notices: tuple[Message, ...]


def read_start(request: GenerationRequest, window: int) -> Start:
    """Read ``request.start`` for a model that sees ``window`` frames at once (1 for a picture). Raises ``AppError``.

    A film is taken at the request's frames per second. To be drawn anew it is cut to the request's frames, or played
    slower where it is too short; a picture stands for every frame. To be extended it is kept whole, and its last
    frames, a quarter of the window, are known to the model.
    """
    from desktop_app.export.reading import fitted, read_frames

    path = Path(request.start)
    if not request.is_film:
        frames, _ = read_frames(path, most=1)
        return Start(as_input(fitted(frames, *request.size)), None, changes(request))
    if request.start_use == EXTEND:
        frames, fps = read_frames(path)
        whole = pick(frames, at_speed(frames.count, fps or request.fps, request.fps))
        known = pick(whole, list(range(whole.count))[-max(1, window // 4) :])
        before = as_pixels(fitted(whole, *request.final_size))
        return Start(as_input(fitted(known, *request.size)), before, changes(request))
    _, fps = read_frames(path, most=1)
    frames, _ = read_frames(path, most=math.ceil((fps or 0) / request.fps * (request.frames - 1)) + 1)
    numbers = spread(frames.count, fps or request.fps, request)
    return Start(as_input(fitted(pick(frames, numbers), *request.size)), None, changes(request))


def changes(request: GenerationRequest) -> tuple[Message, ...]:
    """A word when the file is not the one that was there when the job was queued."""
    if not request.start_digest:
        return ()
    with Path(request.start).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return () if digest == request.start_digest else (Message("start.changed", {"file": Path(request.start).name}),)


def at_speed(count: int, fps: float, wanted: float) -> list[int]:
    """Numbers of the frames, of ``count`` at ``fps``, that are seen at ``wanted`` frames per second."""
    return [min(count - 1, round(index * fps / wanted)) for index in range(max(1, round(count * wanted / fps)))]


def spread(count: int, fps: float, request: GenerationRequest) -> list[int]:
    """Numbers of ``request.frames`` of ``count`` frames at ``fps``: at their own speed, or slower so that all fit."""
    step = min(fps / request.fps, (count - 1) / max(1, request.frames - 1))
    return [round(index * step) for index in range(request.frames)]


def pick(frames: Frames, numbers: list[int]) -> Frames:
    """The frames called ``numbers``, in that order."""
    return as_frames(as_pixels(frames)[numbers])


def as_pixels(frames: Frames) -> Tensor:
    """(frames, height, width, 3) uint8."""
    return torch.frombuffer(bytearray(frames.data), dtype=torch.uint8).reshape(frames.shape)


def as_frames(pixels: Tensor) -> Frames:
    """Of (frames, height, width, 3) uint8 on the CPU."""
    count, height, width, _ = pixels.shape
    return Frames(count, height, width, pixels.numpy().tobytes())


def as_input(frames: Frames) -> Tensor:
    """(frames, 3, height, width) float32 in [-1, 1], in memory in the order of the file, as diffusers has it."""
    return 2 * (as_pixels(frames).permute(0, 3, 1, 2).float() / 255) - 1
