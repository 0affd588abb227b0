"""The engine: takes a request, yields events. The only door of this room."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import desktop_app.engine.offline  # noqa: F401  (before torch and diffusers)

import torch  # isort: skip
from torch import Tensor  # isort: skip

from desktop_app.checkpoints.facts import check_model_files, read_model_facts, resolve_model
from desktop_app.core.catalog import ModelFacts
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import (
    Cancelled,
    Decoding,
    Denoising,
    Encoding,
    EngineReady,
    Event,
    Failed,
    Finished,
    Loading,
    Notice,
    Picture,
)
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest, validate
from desktop_app.core.result import Result, RunRecord
from desktop_app.engine import guidance
from desktop_app.engine.denoise import denoise
from desktop_app.engine.device import (
    Device,
    device_of_kind,
    find_device,
    free_memory,
    give_memory_back,
    is_available,
    ran_out_of_memory,
)
from desktop_app.engine.enlarger import Enlarger, enlarge, load_enlarger
from desktop_app.engine.families import FAMILIES
from desktop_app.engine.families.stable_diffusion import StableDiffusion, notices
from desktop_app.engine.guidance import Conditioning
from desktop_app.engine.interrupt import Interrupted, check, interruptible
from desktop_app.engine.preview import Previewer, fitted_factors
from desktop_app.engine.schedulers import build_scheduler

KEPT_MODELS = 2
"""Loaded models kept for the next job, memory permitting."""
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class _Job:
    """What all pictures of one request share."""

    request: GenerationRequest
    facts: ModelFacts
    model: StableDiffusion
    conditioning: Conditioning
    run: RunRecord
    previewer: Previewer | None
    enlarger: Enlarger | None
    stop: StopSignal


class Engine:
    """Makes pictures with the models found in ``models``, folders that hold model folders.

    ``cache`` is a folder for what can be made again; ``device`` is "auto", "cuda", "mps" or "cpu". Creating an engine
    loads nothing. One job at a time.
    """

    def __init__(self, *, models: Sequence[Path], cache: Path, device: str = "auto") -> None:
        self._folders = tuple(models)
        self._cache = cache
        self._wish = device
        self._found: tuple[Device, tuple[Message, ...]] | None = None
        self._loaded: dict[tuple[str, ...], StableDiffusion] = {}
        self._enlarger: tuple[tuple[str, ...], Enlarger] | None = None

    def ready(self) -> EngineReady:
        """Find device, number format and threads. On a CPU that was never probed this takes a fraction of a second."""
        if self._found is None:
            self._found = find_device(self._wish, self._cache)
        device, found = self._found
        return EngineReady(device.record(), found)

    def warm(self, model: str) -> None:
        """Load ``model`` ahead of time. Raises ``AppError``."""
        facts = read_model_facts(resolve_model(model, self._folders))
        for _ in self._load(facts, self._device(None), StopSignal()):
            pass

    def release(self) -> None:
        """Forget the loaded models and give their memory back to the system."""
        self._loaded.clear()
        self._enlarger = None
        give_memory_back()

    def generate(
        self,
        request: GenerationRequest,
        stop: StopSignal,
        *,
        preview: bool = True,
        replay: RunRecord | None = None,
        source: Picture | None = None,
    ) -> Iterator[Event]:
        """Make the pictures of ``request``: the events of :mod:`desktop_app.core.events` in their order.

        Ends with ``Finished`` or ``Cancelled``; a random seed is fixed first. ``replay`` repeats an earlier run's
        device, number format, guidance form and threads where this machine has them, so that on the same machine and
        versions the pixels are the same bytes. ``source`` is the picture that the same request gave without
        ``enlarge``: it is enlarged as it is and nothing is denoised again. Raises ``AppError`` for what a person can
        mend.
        """
        started = time.monotonic()
        facts = read_model_facts(resolve_model(request.model, self._folders))
        validate(request, facts)
        device = self._device(replay)
        try:
            if source is None:
                yield from self._pictures(request.with_fixed_seed(), facts, device, stop, preview, replay)
            else:
                yield from self._enlarged(request, source, facts, device, stop)
            yield Finished(time.monotonic() - started)
        except Interrupted:
            yield Cancelled()
        except ArithmeticError as problem:
            values = {"device": device.name, "dtype": str(device.dtype).removeprefix("torch.")}
            raise AppError("engine.not-finite", **values) from problem
        except (MemoryError, RuntimeError) as problem:
            if not ran_out_of_memory(problem):
                raise
            self.release()
            raise AppError("engine.memory", device=device.name) from problem

    def _device(self, replay: RunRecord | None) -> Device:
        """The engine's device, or as near to the one in ``replay`` as this machine has."""
        self.ready()
        assert self._found is not None
        device = self._found[0]
        if replay is not None and is_available(replay.device):
            if replay.device != device.torch_device.type:
                device = device_of_kind(replay.device, self._cache)
            device = replace(device, dtype=_DTYPES.get(replay.dtype, device.dtype), threads=max(1, replay.threads))
        if device.torch_device.type == "cpu":
            torch.set_num_threads(device.threads)
        return device

    def _load(self, facts: ModelFacts, device: Device, stop: StopSignal) -> Generator[Event, None, StableDiffusion]:
        """The model, from memory if it is still there and its files are unchanged. Raises ``AppError``."""
        folder = Path(facts.folder)
        check_model_files(facts)
        files = sorted(folder.glob("*/*.safetensors"))
        key = (facts.folder, str(device.torch_device), str(device.dtype), *_stamps(files))
        if key not in self._loaded:
            self._make_room(sum(file.stat().st_size for file in files), device)
            loading: Generator[Loading, None, StableDiffusion]
            loading = FAMILIES[facts.family].load(folder, device, lambda: check(stop))
            self._loaded[key] = yield from loading
        self._loaded[key] = self._loaded.pop(key)  # newest last
        return self._loaded[key]

    def _load_enlarger(self, facts: ModelFacts, device: Device, stop: StopSignal) -> Generator[Event, None, Enlarger]:
        """The model's enlarger, from memory if it was the last one used and is unchanged. Raises ``AppError``."""
        folder = Path(facts.folder)
        check_model_files(facts)
        key = (str(device.torch_device), *_stamps(sorted(folder.glob("enlarger/*"))))
        if self._enlarger is None or self._enlarger[0] != key:
            loading = load_enlarger(folder, facts.enlarge, device.torch_device, lambda: check(stop))
            self._enlarger = (key, (yield from loading))
        return self._enlarger[1]

    def _make_room(self, size: int, device: Device) -> None:
        """Let the oldest models go until one of ``size`` bytes on disk fits beside them twice over (float16 grows)."""
        while self._loaded and (len(self._loaded) >= KEPT_MODELS or free_memory(device.torch_device) < 4 * size):
            del self._loaded[next(iter(self._loaded))]
            give_memory_back()

    def _pictures(
        self,
        request: GenerationRequest,
        facts: ModelFacts,
        device: Device,
        stop: StopSignal,
        preview: bool,
        replay: RunRecord | None,
    ) -> Iterator[Event]:
        model = yield from self._load(facts, device, stop)
        model = replace(model, device=device)  # same weights, this job's threads
        enlarger = (yield from self._load_enlarger(facts, device, stop)) if request.enlarge > 1 else None
        run = device.record(_guidance_form(request, model, replay))
        if replay is not None and (differs := _differences(replay, run)):
            yield Notice(Message("reproduce.differs", differs))
        prompt = model.tokenize(request.prompt)
        negative = None if run.guidance_form == guidance.NONE else model.tokenize(request.negative_prompt)
        for message in notices(prompt, negative):
            yield Notice(message)
        yield Encoding()
        with interruptible((*model.modules, *([enlarger] if enlarger else [])), stop):
            conditioning = model.encode(prompt, negative)
            previewer = self._previewer(facts, model) if preview else None
            job = _Job(request, facts, model, conditioning, run, previewer, enlarger, stop)
            for index in range(request.count):
                check(stop)
                yield from _picture(job, index)
                if stop.kept:
                    break

    def _enlarged(
        self, request: GenerationRequest, source: Picture, facts: ModelFacts, device: Device, stop: StopSignal
    ) -> Iterator[Event]:
        """``source`` enlarged; the run that made it stays in the recipe, because it is what Reproduce must repeat."""
        enlarger = yield from self._load_enlarger(facts, device, stop)
        started = time.monotonic()
        yield Decoding(0)
        small = torch.frombuffer(bytearray(source.frames.data), dtype=torch.uint8).reshape(source.frames.shape)
        with interruptible([enlarger], stop):
            pixels = enlarge(enlarger, small)
        seconds = round(source.result.seconds + time.monotonic() - started, 3)
        yield Picture(0, _frames(pixels), replace(source.result, request=request, seconds=seconds))

    def _previewer(self, facts: ModelFacts, model: StableDiffusion) -> Previewer:
        factors = facts.preview
        if factors is None:
            stamps = [(file.name, file.stat()) for file in sorted(Path(facts.folder, "vae").glob("*.safetensors"))]
            text = f"{facts.folder} {[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stamps]}"
            name = hashlib.sha256(text.encode()).hexdigest()[:16]
            factors = fitted_factors(model.encode_pictures, self._cache / f"preview-{name}.json")
        return Previewer(factors, model.device.torch_device)


def _picture(job: _Job, index: int) -> Iterator[Event]:
    """Picture ``index`` of the job, from its own seed alone, so that a batch equals single runs."""
    request, model, stop = job.request.single(index), job.model, job.stop
    scheduler = build_scheduler(
        request.scheduler, request.schedule_type, model.scheduler_config, request.steps, job.facts.name
    )
    generator = torch.Generator().manual_seed(request.seed)  # on the CPU: the same noise on every device
    shape = model.latent_shape(request.width, request.height)
    noise = torch.randn(shape, generator=generator).to(model.device.torch_device)
    predict = guidance.guided(model.evaluate, job.conditioning, request.guidance_scale, job.run.guidance_form)
    started, step, latents = time.monotonic(), 0, noise
    yield Denoising(index, job.request.count, 0, request.steps)
    for state in denoise(predict, scheduler, noise, request.steps, generator):
        check(stop)
        keeping = stop.kept and state.step < request.steps
        latents = state.estimate if keeping else state.latents
        _require_finite(latents)
        if state.step > step:
            step = state.step
            last = keeping or step == request.steps
            preview = job.previewer.paint(state.estimate, always=last) if job.previewer else None
            yield Denoising(index, job.request.count, step, request.steps, preview)
        if keeping:
            break
    yield Decoding(index)
    pixels = model.decode(latents)
    if job.enlarger is not None:
        pixels = enlarge(job.enlarger, pixels)
    result = Result(request=request, run=job.run, seconds=round(time.monotonic() - started, 3), steps_done=step)
    yield Picture(index, _frames(pixels), result)


def _frames(pixels: Tensor) -> Frames:
    count, height, width, _ = pixels.shape
    return Frames(count, height, width, pixels.numpy().tobytes())


def _stamps(files: Sequence[Path]) -> list[str]:
    """What changes when the content of a file does, without reading it."""
    return [f"{file}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files]


def _require_finite(latents: Tensor) -> None:
    if not latents.isfinite().all():
        raise ArithmeticError("latents are not finite")


def _guidance_form(request: GenerationRequest, model: StableDiffusion, replay: RunRecord | None) -> str:
    if replay is not None and (replay.guidance_form == guidance.NONE) == (request.guidance_scale == 1):
        return replay.guidance_form
    _, _, height, width = model.latent_shape(request.width, request.height)
    return guidance.choose_form(model.device.torch_device, request.guidance_scale, height * width)


def _differences(then: RunRecord, now: RunRecord) -> dict[str, str] | None:
    """What of the earlier run this one cannot repeat, as the two halves of a sentence; None when nothing."""
    before, after = ({**run.versions, "on": run.device_name, "in": run.dtype} for run in (then, now))
    names = [name for name in after if before.get(name, after[name]) != after[name]]
    if not names:
        return None
    before_text, after_text = (", ".join(f"{name} {values[name]}" for name in names) for values in (before, after))
    return {"then": before_text, "now": after_text}


def serve(
    engine: Engine,
    request: GenerationRequest,
    stop: StopSignal,
    *,
    preview: bool = True,
    replay: RunRecord | None = None,
    source: Picture | None = None,
) -> Iterator[Event]:
    """``engine.generate`` with every exception turned into a final ``Failed``: a job can fail, an engine cannot."""
    try:
        yield from engine.generate(request, stop, preview=preview, replay=replay, source=source)
    except AppError as problem:
        yield Failed(problem.message, traceback.format_exc())
    except Exception as problem:
        reason = f"{type(problem).__name__}: {problem}"
        yield Failed(Message("engine.failed", {"reason": reason}), traceback.format_exc())
