"""One picture or film of a job, from its seed to its pixels."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from desktop_app.core.catalog import ModelFacts
from desktop_app.core.control import StopSignal
from desktop_app.core.events import Decoding, Denoising, Event, Notice, Picture
from desktop_app.core.forecast import DECODING, DENOISING
from desktop_app.core.messages import Message
from desktop_app.core.request import EXTEND, GenerationRequest
from desktop_app.core.result import Result, RunRecord
from desktop_app.engine.chunks import in_chunks
from desktop_app.engine.denoise import denoise, skipped_steps
from desktop_app.engine.device import give_memory_back, ran_out_of_memory
from desktop_app.engine.enlarger import Enlarger, enlarge
from desktop_app.engine.guidance import Predict
from desktop_app.engine.interrupt import check
from desktop_app.engine.memory_watch import MemoryWatch
from desktop_app.engine.model import Model
from desktop_app.engine.preview import Previewer, SharpPreviewer
from desktop_app.engine.schedulers import build_scheduler
from desktop_app.engine.start import Start, as_frames
from desktop_app.engine.steady import steady

ENLARGE_CHUNK = 4
"""Frames enlarged together, memory permitting."""


M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Job(Generic[M]):
    """What all pictures or films of one request share."""

    request: GenerationRequest
    facts: ModelFacts
    model: M
    conditioning: Any
    run: RunRecord
    previewer: Previewer | SharpPreviewer | None
    enlarger: Enlarger | None
    start: Start | None
    stop: StopSignal
    watch: MemoryWatch
    changes: tuple[tuple[int, Any], ...] = ()
    """(steps taken, conditioning) wherever the prompt changes on the way."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """What :func:`denoise` is given for one picture or film; latents in the shapes that it takes."""

    predictors: tuple[tuple[int, Predict], ...]
    """(steps taken, what predicts from there on)."""
    noise: Tensor
    start: Tensor | None = None
    known: Tensor | None = None


class _Staged:
    """The prediction of the stage that the loop is in; whoever runs it says how many steps are taken."""

    def __init__(self, predictors: tuple[tuple[int, Predict], ...], step: int) -> None:
        self._predictors = predictors
        self.step = step

    def __call__(self, model_input: Tensor, t: Tensor) -> Tensor:
        predict = next(predict for first, predict in reversed(self._predictors) if first <= self.step)
        return predict(model_input, t)


def make_picture(job: Job[Model], index: int) -> Iterator[Event]:
    """Picture or film ``index`` of the job, from its own seed alone, so that a batch equals single runs.

    An extended film is the whole start film, fitted to the request's size, and after it the new frames.
    """
    request = job.request.single(index)
    started = time.monotonic()
    with job.watch.during(DENOISING):
        latents, step = yield from _denoised(job, index, request)
    yield Decoding(index)
    with job.watch.during(DECODING):
        decoded, run = yield from _decoded(job, latents)
    pixels = finish(job, decoded)
    result = Result(request=request, run=run, seconds=round(time.monotonic() - started, 3), steps_done=step)
    yield Picture(index, as_frames(pixels), result)


def _denoised(job: Job[Model], index: int, request: GenerationRequest) -> Generator[Event, None, tuple[Tensor, int]]:
    """The latents of picture ``index``, which ``request`` alone makes, and the steps that were taken for them."""
    config = job.model.scheduler_config
    scheduler = build_scheduler(request.scheduler, request.schedule_type, config, request.steps, job.facts.name)
    generator = torch.Generator().manual_seed(request.seed)  # on the CPU: the same noise on every device
    setting = _set_up(job, request, generator)
    step = 0 if setting.start is None else skipped_steps(scheduler, request.steps, request.strength)
    latents = setting.noise if setting.start is None else setting.start
    yield Denoising(index, job.request.count, step, request.steps)
    predict = _Staged(setting.predictors, step)
    for state in denoise(
        predict,
        scheduler,
        setting.noise,
        request.steps,
        generator,
        start=setting.start,
        strength=request.strength,
        known=setting.known,
    ):
        check(job.stop)
        keeping = job.stop.kept and state.step < request.steps
        latents = state.estimate if keeping else state.latents
        _require_finite(latents)
        if state.step > step:
            step = predict.step = state.step
            last = keeping or step == request.steps
            preview = job.previewer.paint(state.estimate, always=last) if job.previewer else None
            yield Denoising(index, job.request.count, step, request.steps, preview)
        if keeping:
            break
    return latents, step


def frames_seen(request: GenerationRequest, start: Start | None) -> int:
    """Frames of the film that the model sees: the new ones and those it knows before them."""
    return request.frames + (len(start.frames) if start is not None and request.start_use == EXTEND else 0)


def _set_up(job: Job[Model], request: GenerationRequest, generator: torch.Generator) -> _Setting:
    """Draws from ``generator`` in the order of diffusers' pipelines: the start's latents first, then the noise."""
    model, start, film = job.model, job.start, job.facts.film
    request = replace(request, frames=frames_seen(request, start))
    extended = request.start_use == EXTEND
    films_start = film is not None and film.needs_start
    picture = start.frames[:1] if start is not None and films_start else None
    script = ((0, job.conditioning), *job.changes)
    made = {
        key: model.predictor(told, request, job.run.guidance_form, picture, generator)
        for key, told in {id(told): told for _, told in script}.items()
    }
    predictors = tuple((first, made[id(told)]) for first, told in script)
    if start is None or films_start:
        return _Setting(predictors, model.noise(request, generator))
    if extended:
        known = model.encode_pictures(start.frames).transpose(0, 1)[None]
        return _Setting(predictors, model.noise(request, generator), known=known)
    latents = model.encode_start(start.frames, generator)
    return _Setting(predictors, model.start_noise(request, generator), start=latents)


def _decoded(job: Job[Model], latents: Tensor) -> Generator[Event, None, tuple[Tensor, RunRecord]]:
    """The frames of ``latents``, (frames, height, width, 3) uint8 on the CPU, and how they were made.

    Decoded whole; where memory runs out, once more in tiles, frame by frame. A run that is repeated is decoded as it
    was.
    """
    failed: Exception | None = None
    if not job.run.tiled:
        try:
            return _frames(job, latents, job.model.decode_chunk), job.run
        except (MemoryError, RuntimeError) as problem:
            if not ran_out_of_memory(problem):
                raise
            failed = problem.with_traceback(None)  # the traceback holds on to the tensors
        give_memory_back()
    with job.model.tiles() as possible:
        if failed is not None:
            if not possible:
                raise failed
            yield Notice(Message("engine.tiled"))
        return _frames(job, latents, 1), replace(job.run, tiled=possible)


def finish(job: Job[Any], pixels: Tensor) -> Tensor:
    """The finished frames of ``pixels``, the decoded ones; both (frames, height, width, 3) uint8 on the CPU."""
    request, model, start, film = job.request, job.model, job.start, job.facts.film
    if job.enlarger is not None:
        pixels = in_chunks(partial(enlarge, job.enlarger), pixels, 0, ENLARGE_CHUNK, job.stop)
    if start is not None and start.before is not None:
        return torch.cat([start.before, pixels])
    if request.is_film and request.loop and film is not None and model.window(film.window) is None:
        return torch.cat([pixels, pixels[1:-1].flip(0)])  # there and back
    return pixels


def _frames(job: Job[Model], latents: Tensor, together: int) -> Tensor:
    """Of a picture the only one; of a film the new ones, without those that the model knew before them.

    So many frames are decoded ``together``, memory permitting.
    """
    if not job.request.is_film:
        return job.model.decode(latents)
    film, new = job.facts.film, job.request.frames
    if film is None or not film.needs_start:  # a decoder that sees each frame by itself
        latents = latents[:, :, -new:]
    frames = in_chunks(job.model.decode, latents, 2, together, job.stop)[-new:]
    goes_on = job.request.start_use == EXTEND  # from frames that are not held still with it
    if film is not None and film.steady and not job.request.motion_model and not goes_on:
        return steady(frames, film.steady)
    return frames


def _require_finite(latents: Tensor) -> None:
    if not latents.isfinite().all():
        raise ArithmeticError("latents are not finite")
