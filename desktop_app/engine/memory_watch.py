"""How much memory a stage of a run takes at the most, so that the next forecast is nearer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

import psutil
import torch

from desktop_app.core.catalog import ModelFacts
from desktop_app.core.forecast import DECODING, DENOISING, estimates, measured_as
from desktop_app.core.measurements import LEAST, Measurement
from desktop_app.core.memory_plan import WHOLE, Plan
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import trim

LOOK_EVERY = 0.02
"""Seconds between two looks where the peak is not kept by the device itself."""


def worth_watching(request: GenerationRequest, facts: ModelFacts, plan: Plan) -> tuple[str, ...]:
    """Stages large enough to be measured.

    Weights that come and go would count as work; of a film, how many frames are decoded together varies, and of a
    picture that a refiner finishes, which of the two models took the most.
    """
    if facts.footprint is None or plan.offload != WHOLE:
        return ()
    varies = {DECODING: request.is_film, DENOISING: bool(request.refiner)}
    stages = estimates(request, facts, facts.footprint, plan)
    return tuple(stage for stage, one in stages.items() if one.size >= LEAST and not varies[stage])


def measurements(
    took: Mapping[str, int], request: GenerationRequest, facts: ModelFacts, plan: Plan, device: str
) -> list[Measurement]:
    """What the stages in ``took`` (bytes by name) were estimated to take and took on ``device``."""
    if facts.footprint is None:
        return []
    expected, key = estimates(request, facts, facts.footprint, plan), measured_as(facts, plan, device)
    return [Measurement(key, name, expected[name].pixels, expected[name].size, size) for name, size in took.items()]


class MemoryWatch:
    """Peaks by stage, in :attr:`took`: bytes in use beside what was in use when the stage began."""

    def __init__(self, device: torch.device, stages: Collection[str] = ()) -> None:
        """``stages`` names those that are worth a look; the others are passed over."""
        self._device = device
        self._stages = stages
        self.took: dict[str, int] = {}

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """Watch while it is entered, the first time for a stage."""
        if stage not in self._stages or stage in self.took:
            yield
            return
        trim()  # or what was freed before would hide what is taken now
        peak = _exact if self._device.type == "cuda" else _looked_at
        with peak(self._device) as told:
            yield
        self.took[stage] = told()


@contextmanager
def _exact(device: torch.device) -> Iterator[Callable[[], int]]:
    """CUDA's own count."""
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    yield lambda: torch.cuda.max_memory_allocated(device) - before


@contextmanager
def _looked_at(device: torch.device) -> Iterator[Callable[[], int]]:
    """The peak of many looks from a thread of its own: the system keeps one for the process's whole life only."""
    in_use = torch.mps.current_allocated_memory if device.type == "mps" else _resident
    before = peak = in_use()
    over = threading.Event()

    def look() -> None:
        nonlocal peak
        while not over.wait(LOOK_EVERY):
            peak = max(peak, in_use())

    thread = threading.Thread(target=look, daemon=True, name="memory-watch")
    thread.start()
    try:
        yield lambda: peak - before
    finally:
        over.set()
        thread.join()


def _resident() -> int:
    return psutil.Process().memory_info().rss
