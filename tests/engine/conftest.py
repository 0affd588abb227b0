"""One tiny model and one engine for the whole room: writing and loading them takes longer than most tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import tqdm
from torch import Tensor

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.core.control import StopSignal
from desktop_app.core.events import Event, Picture
from desktop_app.core.guidance_form import BATCHED, NONE
from desktop_app.core.request import EXTEND, GenerationRequest
from desktop_app.engine import device
from desktop_app.engine.device import Device
from desktop_app.engine.engine import Engine
from desktop_app.engine.job import Job, make_picture
from desktop_app.engine.memory_watch import MemoryWatch
from desktop_app.engine.start import Start, as_frames, as_input
from tests.tiny_models import SIZE, tiny_model

MODEL = "tiny"
CPU = Device(torch.device("cpu"), "test", torch.float32, 1)
tqdm.tqdm.monitor_interval = 0  # diffusers' own pipelines, our oracle, would start its monitor thread


@pytest.fixture(autouse=True, scope="session")
def _float32() -> Iterator[None]:
    """The same number format on every machine, however busy: what the probe finds has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device, "_probe", lambda dtype: 1.0)
        yield


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


def loaded(engine: Engine) -> Any:
    """The model that the engine used last."""
    return next(reversed(engine.shelf.models.values()))


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


def noisy_pixels(frames: int, width: int = SIZE, seed: int = 0) -> Tensor:
    """Random frames of :data:`SIZE` px height, (frames, height, width, 3) uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, SIZE, width, 3), dtype=torch.uint8, generator=generator)


def start_of(pixels: Tensor, request: GenerationRequest, known: int = 1) -> Start:
    """What reading a file with these frames gives to ``request``, the last ``known`` of them known if it extends."""
    extended = request.start_use == EXTEND
    frames = as_input(as_frames(pixels[-known:] if extended else pixels))
    return Start(frames, pixels if extended else None, ())


def job_for(folder: Path, model: Any, request: GenerationRequest, **options: Any) -> Job:
    """The job of ``request`` for ``model`` from ``folder``; ``options`` are fields of it, such as a start."""
    form = NONE if request.guidance_scale == 1 else BATCHED
    none: dict[str, Any] = {"previewer": None, "enlarger": None, "start": None}
    values = {**none, "stop": StopSignal(), "watch": MemoryWatch(CPU.torch_device), **options}
    told = model.encode(model.tokenize(request, form))
    return Job(request, read_model_facts(folder), model, told, CPU.record(form), **values)


def made(job: Job, index: int = 0) -> Tensor:
    """Pixels of one picture or film of ``job``, (frames, height, width, 3) uint8."""
    *_, picture = make_picture(job, index)
    assert isinstance(picture, Picture)
    return torch.frombuffer(bytearray(picture.frames.data), dtype=torch.uint8).reshape(picture.frames.shape)
