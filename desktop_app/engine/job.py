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
from desktop_app.engine.denoise import Denoised, Handed, denoise, skipped_steps
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
Predictors = tuple[tuple[int, Predict], ...]
"""(steps taken, what predicts from there on)."""


@dataclass(frozen=True, slots=True)
class Refiner:
    """The model that finishes what the job's own one began, and what it is told."""

    model: Model
    name: str
    conditioning: Any
    changes: tuple[tuple[int, Any], ...] = ()
    """(steps taken, conditioning) wherever the prompt changes on the way."""


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
    refiner: Refiner | None = None


@dataclass(frozen=True, slots=True)
class _Setting:
    """What :func:`denoise` is given for one picture or film; latents in the shapes that it takes."""

    predictors: Predictors
    noise: Tensor
    start: Tensor | None = None
    known: Tensor | None = None


class _Staged:
    """The prediction of the stage that the loop is in; whoever runs it says how many steps are taken."""

    def __init__(self, predictors: Predictors, step: int) -> None:
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
    scheduler = _scheduler(job.model, request, job.facts.name)
    generator = torch.Generator().manual_seed(request.seed)  # on the CPU: the same noise on every device
    setting = _set_up(job, request, generator)
    step = 0 if setting.start is None else skipped_steps(scheduler, request.steps, request.strength)
    latents = setting.noise if setting.start is None else setting.start
    yield Denoising(index, job.request.count, step, request.steps)
    for state in _evaluations(job, request, setting, scheduler, generator, step):
        check(job.stop)
        keeping = job.stop.kept and state.step < request.steps
        latents = state.estimate if keeping else state.latents
        _require_finite(latents)
        if state.step > step:
            step = state.step
            last = keeping or step == request.steps
            preview = job.previewer.paint(state.estimate, always=last) if job.previewer else None
            yield Denoising(index, job.request.count, step, request.steps, preview)
        if keeping:
            break
    return latents, step


def _evaluations(
    job: Job[Model],
    request: GenerationRequest,
    setting: _Setting,
    scheduler: Any,
    generator: torch.Generator,
    step: int,
) -> Iterator[Denoised]:
    """Those of the job's model from ``step`` on, and those of the refiner from where it hands over.

    A start picture that is to be changed less than the refiner changes it is the refiner's from the first step on.
    """

    def run(predictors: Predictors, scheduler: Any, **part: Any) -> Iterator[Denoised]:
        predict = _Staged(predictors, step)
        given = {"start": setting.start, "strength": request.strength, "known": setting.known, **part}
        for state in denoise(predict, scheduler, setting.noise, request.steps, generator, **given):
            predict.step = state.step
            yield state

    if job.refiner is None:
        yield from run(setting.predictors, scheduler)
        return
    handed = None
    for state in run(setting.predictors, scheduler, until=request.refiner_at):
        step, handed = state.step, Handed(state.latents, request.refiner_at)
        yield state
    predictors = _predictors(job.refiner, request, job.run.guidance_form, None, generator)
    yield from run(predictors, _scheduler(job.refiner.model, request, job.refiner.name), handed=handed)


def _scheduler(model: Model, request: GenerationRequest, name: str) -> Any:
    config = model.scheduler_config
    return build_scheduler(request.scheduler, request.schedule_type, config, request.steps, name)


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
    predictors = _predictors(job, request, job.run.guidance_form, picture, generator)
    if start is None or films_start:
        return _Setting(predictors, model.noise(request, generator))
    if extended:
        known = model.encode_pictures(start.frames).transpose(0, 1)[None]
        return _Setting(predictors, model.noise(request, generator), known=known)
    latents = model.encode_start(start.frames, generator)
    return _Setting(predictors, model.start_noise(request, generator), start=latents)


def _predictors(
    told: Job[Model] | Refiner,
    request: GenerationRequest,
    form: str,
    picture: Tensor | None,
    generator: torch.Generator,
) -> Predictors:
    """Of the model in ``told``, which is told each thing once, however often it comes back."""
    script = ((0, told.conditioning), *told.changes)
    made = {
        key: told.model.predictor(said, request, form, picture, generator)
        for key, said in {id(said): said for _, said in script}.items()
    }
    return tuple((first, made[id(said)]) for first, said in script)


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
