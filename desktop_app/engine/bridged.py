"""One picture or film of a job through diffusers' own pipeline: its callbacks become the engine's events.

What is seen of the pipeline from outside: the progress bar that it asks for, the latents after a step where it hands
them out, and every layer before it runs, where Cancel looks (:mod:`desktop_app.engine.interrupt`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from torch import Tensor

from desktop_app.core.catalog import FAMILIES, BridgeFacts
from desktop_app.core.errors import AppError
from desktop_app.core.events import Decoding, Denoising, Event, Picture
from desktop_app.core.frames import Frames
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result
from desktop_app.engine.families.bridge import CALLBACK, Bridge
from desktop_app.engine.interrupt import check
from desktop_app.engine.job import Job, finish
from desktop_app.engine.lockstep import in_lockstep
from desktop_app.engine.parts.latent_grid import as_grid, straight_on
from desktop_app.engine.start import as_frames

Say = Callable[[Event], None]


def bridged_picture(job: Job[Bridge], index: int) -> Iterator[Event]:
    """Picture or film ``index`` of the job, from its own seed alone. Raises ``AppError`` where the pipeline refuses."""
    request, started = job.request.single(index), time.monotonic()
    watch = Watch(job, request, index)
    pixels = yield from in_lockstep(partial(_run, watch))
    pixels = finish(job, pixels)
    done = watch.step if watch.kept else request.steps
    result = Result(request=request, run=job.run, seconds=round(time.monotonic() - started, 3), steps_done=done)
    yield Picture(index, as_frames(pixels), result)


@dataclass
class Watch:
    """What is seen of one picture or film while the pipeline makes it."""

    job: Job[Bridge]
    request: GenerationRequest
    index: int
    step: int = 0
    total: int = 0
    """Steps of the pipeline's progress bar, usually those of the request."""
    kept: bool = False
    """Whether the rest of the steps is left out, because the user wants to keep it as it is."""
    tell: Say = field(default=lambda event: None)
    _before: Tensor | None = None
    _preview: Frames | None = None

    def progress_bar(self, iterable: Iterable[Any] | None = None, total: int | None = None) -> _StepBar:
        """In the place of ``DiffusionPipeline.progress_bar``."""
        items = [] if iterable is None else list(iterable)
        self.step, self.total = 0, total or len(items)
        self._tell_step()
        return _StepBar(self, items)

    def advance(self) -> None:
        """One more step is done."""
        self.step += 1
        self._tell_step()
        self._preview = None

    def decode(self) -> None:
        """The steps are over."""
        self.tell(Decoding(self.index))

    def after_step(self, pipeline: Any, index: int, t: Any, values: dict[str, Any]) -> dict[str, Any]:
        """As ``callback_on_step_end``: a preview of ``values["latents"]``.

        Where the user keeps it as it is, the pipeline goes on to decoding with the estimate of the finished latents.
        """
        latents = values["latents"]
        estimate = straight_on(pipeline.scheduler, self._before, latents, index)
        self._before = latents
        if estimate is None:
            return values
        last = self.step + 1 >= self.total
        self.kept = self.job.stop.kept and self.job.model.call.stops_early and not last
        self._show(estimate, always=last or self.kept)
        if not self.kept:
            return values
        pipeline._interrupt = True
        return {**values, "latents": estimate}

    def _show(self, estimate: Tensor, *, always: bool) -> None:
        previewer, channels = self.job.previewer, self.job.model.latent_channels
        if previewer is None or channels is None:
            return
        film, request = self.job.facts.film, self.request
        frames = 1 + (request.frames - 1) // film.frame_step if film and request.is_film else 1
        grid = as_grid(estimate, channels, *request.size, frames)
        self._preview = None if grid is None else previewer.paint(grid, always=always)

    def _tell_step(self) -> None:
        self.tell(Denoising(self.index, self.job.request.count, self.step, self.total, self._preview))


class _StepBar:
    """The progress bar of a pipeline: entered, iterated over or closed, as tqdm's."""

    def __init__(self, watch: Watch, items: list[Any]) -> None:
        self._watch = watch
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            yield item
            self._watch.advance()
        self._watch.decode()

    def __enter__(self) -> _StepBar:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._watch.decode()

    def update(self) -> None:
        self._watch.advance()

    def close(self) -> None:
        self._watch.decode()


def _run(watch: Watch, say: Say) -> Tensor:
    """The pipeline from beginning to end: frames (n, height, width, 3), uint8 on the CPU. Raises ``AppError``."""
    job, request, bridge = watch.job, watch.request, watch.job.model

    def tell(event: Event) -> None:
        say(event)
        check(job.stop)

    watch.tell = tell
    options = bridge.arguments(request, FAMILIES[job.facts.family].bridge or BridgeFacts())
    if CALLBACK in bridge.call.parameters:
        options[CALLBACK] = watch.after_step
    generator = torch.Generator().manual_seed(request.seed)  # on the CPU: the same noise on every device
    try:
        with _watched(bridge.pipeline, watch):
            made = bridge.pipeline(**options, generator=generator, output_type="np")
    except ValueError as problem:
        reason = str(problem).strip().rstrip(".")
        raise AppError("bridge.refused", model=job.facts.name, reason=reason) from problem
    finally:
        bridge.pipeline.maybe_free_model_hooks()
    return _as_pixels(torch.from_numpy(numpy.asarray(made.frames[0] if request.is_film else made.images)))


@contextmanager
def _watched(pipeline: Any, watch: Watch) -> Iterator[None]:
    """Inside, ``watch`` sees the steps of ``pipeline``, and of those that it consists of."""
    inner = [part for part in vars(pipeline).values() if isinstance(part, DiffusionPipeline)]
    for part in (pipeline, *inner):
        part.progress_bar = watch.progress_bar
    try:
        yield
    finally:
        for part in (pipeline, *inner):
            del part.progress_bar


def _as_pixels(frames: Tensor) -> Tensor:
    """Colours in [0, 1] as uint8. Raises ``ArithmeticError`` when they are not finite."""
    if not frames.isfinite().all():
        raise ArithmeticError("the decoded picture is not finite")
    return (frames.float() * 255).round().to(torch.uint8)
