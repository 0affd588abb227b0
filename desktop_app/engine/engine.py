"""The engine: takes a request, yields events. The only door of this room."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import desktop_app.engine.offline  # noqa: F401  (before torch and diffusers)

import torch  # isort: skip

from desktop_app.checkpoints.facts import (
    autoencoder_folder,
    motion_model_folder,
    read_model_facts,
    weights_of,
)
from desktop_app.checkpoints.finding import resolve_model
from desktop_app.core.catalog import FAMILIES, ModelFacts
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import Cancelled, Decoding, Encoding, EngineReady, Event, Failed, Finished, Notice, Picture
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest, validate
from desktop_app.core.result import RunRecord
from desktop_app.engine import guidance
from desktop_app.engine.chunks import in_chunks
from desktop_app.engine.device import Device, device_of_kind, find_device, is_available, ran_out_of_memory
from desktop_app.engine.enlarger import enlarge
from desktop_app.engine.families.flux import Flux
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.interrupt import Interrupted, check, interruptible
from desktop_app.engine.job import ENLARGE_CHUNK, Job, frames_seen, make_picture
from desktop_app.engine.learned import learned_in_texts
from desktop_app.engine.lora import Worn, find_wanted, fit, worn
from desktop_app.engine.model import Model
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion
from desktop_app.engine.preview import Previewer, fitted_factors
from desktop_app.engine.script import read_script
from desktop_app.engine.shelf import Shelf
from desktop_app.engine.start import as_frames, as_pixels, read_start
from desktop_app.prompt.reading import Reading, read_request

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


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
        self.shelf = Shelf()

    def ready(self) -> EngineReady:
        """Find device, number format and threads. On a CPU that was never probed this takes a fraction of a second."""
        if self._found is None:
            self._found = find_device(self._wish, self._cache)
        device, found = self._found
        return EngineReady(device.record(), found)

    def warm(self, model: str) -> None:
        """Load ``model`` ahead of time. Raises ``AppError``."""
        facts = read_model_facts(resolve_model(model, self._folders), self._folders)
        for _ in self.shelf.model(facts, self._device(facts, None), lambda: None):
            pass

    def release(self) -> None:
        """Forget the loaded models and give their memory back to the system."""
        self.shelf.clear()

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
        facts = read_model_facts(resolve_model(request.model, self._folders), self._folders)
        validate(request, facts)
        device = self._device(facts, replay)
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
            raise AppError(
                "engine.memory-film" if request.is_film else "engine.memory", device=device.name
            ) from problem

    def _device(self, facts: ModelFacts, replay: RunRecord | None) -> Device:
        """The engine's device for the model, or as near to the one in ``replay`` as this machine has."""
        self.ready()
        assert self._found is not None
        device = self._found[0]
        if device.dtype == torch.float16 and FAMILIES[facts.family].overflows:
            device = replace(device, dtype=torch.bfloat16)
        if replay is not None and is_available(replay.device):
            if replay.device != device.torch_device.type:
                device = device_of_kind(replay.device, self._cache)
            device = replace(device, dtype=_DTYPES.get(replay.dtype, device.dtype), threads=max(1, replay.threads))
        if device.torch_device.type == "cpu":
            torch.set_num_threads(device.threads)
        return device

    def _pictures(
        self,
        request: GenerationRequest,
        facts: ModelFacts,
        device: Device,
        stop: StopSignal,
        preview: bool,
        replay: RunRecord | None,
    ) -> Iterator[Event]:
        reading = read_request(request, facts)
        wanted = find_wanted(reading.loras, facts, self._folders)
        start = read_start(request, _known_from(facts)) if request.start else None
        model = yield from self._model(request, facts, device, stop)
        enlarger = (yield from self.shelf.enlarger(facts, device, lambda: check(stop))) if request.enlarge > 1 else None
        run = device.record(_guidance_form(request, frames_seen(request, start), facts, model, replay))
        run = replace(run, tiled=replay is not None and replay.tiled)
        loras = self._loras(wanted, facts, model, stop)
        learned = self._learned(reading, model)
        script = read_script(reading, model, run.guidance_form)
        if replay is not None and (differs := _differences(replay, run)):
            yield Notice(Message("reproduce.differs", differs))
        from_loras = (notice for lora in loras for notice in lora.notices)
        for message in (*script.notices, *learned, *(start.notices if start else ()), *from_loras):
            yield Notice(message)
        yield Encoding()
        with interruptible((*model.modules, *([enlarger] if enlarger else [])), stop), worn(loras):
            told, changes = script.encode(model)
            previewer = self._previewer(facts, model) if preview else None
            job = Job(request, facts, model, told, run, previewer, enlarger, start, stop, changes)
            for index in range(request.count):
                check(stop)
                yield from make_picture(job, index)
                if stop.kept:
                    break

    def _loras(
        self, wanted: Mapping[Path, Mapping[str, float]], facts: ModelFacts, model: Model, stop: StopSignal
    ) -> list[Worn]:
        """What the model is to wear. Raises ``AppError``."""
        if not wanted:
            return []
        assert isinstance(model, LatentDiffusion | Flux)  # no other family takes any
        loaded = ((self.shelf.lora(path, model.device, lambda: check(stop)), how) for path, how in wanted.items())
        return [fit(lora, model.adaptable, how, facts.name) for lora, how in loaded]

    def _learned(self, reading: Reading, model: Model) -> list[Message]:
        """Let the model know the textual inversions that the texts name. What of them is taken for words is told."""
        if not isinstance(model, LatentDiffusion):
            return []
        learned = learned_in_texts(reading, model.text.widths, self._folders)
        model.text.learn(learned.vectors)
        return learned.notices

    def _model(
        self, request: GenerationRequest, facts: ModelFacts, device: Device, stop: StopSignal
    ) -> Generator[Event, None, Model]:
        """The model that makes ``request``, with the autoencoder it names."""
        model = yield from self._animated(request, facts, device, stop)
        if not request.vae or not isinstance(model, LatentDiffusion):
            return model
        folder = autoencoder_folder(facts, request.vae, self._folders)
        autoencoder = yield from self.shelf.autoencoder(folder, device, lambda: check(stop))
        return replace(model, autoencoder=autoencoder)

    def _animated(
        self, request: GenerationRequest, facts: ModelFacts, device: Device, stop: StopSignal
    ) -> Generator[Event, None, Model]:
        """The model as it is: for a film of a picture model, with its motion adapter."""
        model = yield from self.shelf.model(facts, device, lambda: check(stop))
        if not (request.is_film and facts.motion_models and facts.film):
            return model
        assert isinstance(model, StableDiffusion)  # adapters are found for this family alone
        folder = motion_model_folder(facts, request.motion_model, self._folders)
        film = facts.film.with_another_adapter() if request.motion_model else facts.film
        return (yield from self.shelf.motion(model, folder, film, lambda: check(stop)))

    def _enlarged(
        self, request: GenerationRequest, source: Picture, facts: ModelFacts, device: Device, stop: StopSignal
    ) -> Iterator[Event]:
        """``source`` enlarged; the run that made it stays in the recipe, because it is what Reproduce must repeat."""
        enlarger = yield from self.shelf.enlarger(facts, device, lambda: check(stop))
        started = time.monotonic()
        yield Decoding(0)
        with interruptible([enlarger], stop):
            pixels = in_chunks(partial(enlarge, enlarger), as_pixels(source.frames), 0, ENLARGE_CHUNK, stop)
        seconds = round(source.result.seconds + time.monotonic() - started, 3)
        yield Picture(0, as_frames(pixels), replace(source.result, request=request, seconds=seconds))

    def _previewer(self, facts: ModelFacts, model: Model) -> Previewer:
        factors = facts.preview
        if factors is None:
            stamps = [(file.name, file.stat()) for file in weights_of(facts)]
            text = f"{facts.folder} {[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stamps]}"
            name = hashlib.sha256(text.encode()).hexdigest()[:16]
            factors = fitted_factors(model.encode_pictures, self._cache / f"preview-{name}.json")
        return Previewer(factors, model.device.torch_device)


def _known_from(facts: ModelFacts) -> int:
    """Frames at once, for the question how many of an extended film the model is to know: some film one picture."""
    return facts.film.window if facts.film is not None and not facts.film.needs_start else 1


def _guidance_form(
    request: GenerationRequest, frames: int, facts: ModelFacts, model: Model, replay: RunRecord | None
) -> str:
    if replay is not None and (replay.guidance_form == guidance.NONE) == (request.guidance_scale == 1):
        return replay.guidance_form
    pixels = (request.width // model.latent_shrink) * (request.height // model.latent_shrink)
    if request.is_film and facts.film is not None:
        pixels *= min(frames, model.window(facts.film.window) or frames)
    return guidance.choose_form(model.device.torch_device, request.guidance_scale, pixels)


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
