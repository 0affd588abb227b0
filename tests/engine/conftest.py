"""One tiny model and one engine for the whole room: writing and loading them takes longer than most tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tqdm

from desktop_app.core.control import StopSignal
from desktop_app.core.events import Event, Picture
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from tests.tiny_models import SIZE, tiny_model

MODEL = "tiny"
tqdm.tqdm.monitor_interval = 0  # diffusers' own pipelines, our oracle, would start its monitor thread


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny model, called "tiny". Tests that change a model write one of their own."""
    folder = tmp_path_factory.mktemp("models")
    tiny_model(folder / MODEL)
    return folder


@pytest.fixture(scope="session")
def engine(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine on the CPU with the tiny model loaded."""
    engine = Engine(models=[models], cache=tmp_path_factory.mktemp("cache"), device="cpu")
    engine.warm(MODEL)
    yield engine
    engine.release()


def request_for(**changes: Any) -> GenerationRequest:
    """A quick valid request for the tiny model."""
    values: dict[str, Any] = {
        "model": MODEL,
        "prompt": "a red house",
        "width": SIZE,
        "height": SIZE,
        "steps": 3,
        "guidance_scale": 5.0,
        "scheduler": "ddim",
        "seed": 7,
    }
    return GenerationRequest(**{**values, **changes})


def run(engine: Engine, request: GenerationRequest, **options: Any) -> list[Event]:
    """All events of one job."""
    return list(engine.generate(request, StopSignal(), **options))


def pictures(events: list[Event]) -> list[Picture]:
    return [event for event in events if isinstance(event, Picture)]


def loaded(engine: Engine) -> StableDiffusion:
    """The model that the engine used last."""
    return next(reversed(engine._loaded.values()))


def stop_when(
    engine: Engine, request: GenerationRequest, reached: Callable[[Event], bool], *, keep: bool = False
) -> list[Event]:
    """All events of a job that is cancelled (or kept) at the first event for which ``reached`` holds."""
    stop = StopSignal()
    events = []
    for event in engine.generate(request, stop):
        events.append(event)
        if reached(event):
            stop.keep() if keep else stop.cancel()
    return events
