"""The engine: takes a request, yields events. The only door of this room."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import desktop_app.engine.offline  # noqa: F401  (before torch and diffusers)

import torch  # isort: skip

from desktop_app.checkpoints.consent import Trusts, nobody_agreed
from desktop_app.checkpoints.digests import Digests, uses
from desktop_app.checkpoints.facts import read_model_facts, weights_of
from desktop_app.checkpoints.finding import files_in, resolve_model
from desktop_app.checkpoints.lone_parts import Parts, autoencoder, find_parts
from desktop_app.checkpoints.refiners import with_refiner
from desktop_app.core.catalog import FAMILIES, ModelFacts
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import Cancelled, Decoding, Encoding, EngineReady, Event, Failed, Finished, Notice, Picture
from desktop_app.core.forecast import Forecast, latent_pixels
from desktop_app.core.guidance_form import NONE, usual_form
from desktop_app.core.machine import Machine
from desktop_app.core.measurements import FILE as MEASUREMENTS
from desktop_app.core.measurements import Measurement, add_measurements, read_measurements
from desktop_app.core.memory_plan import MEASURES, NO_WISHES, Plan, Wishes
from desktop_app.core.messages import Message
from desktop_app.core.paths import DIGESTS
from desktop_app.core.planning import Chosen, can_keep_eight_bits, changed, choose, next_measure
from desktop_app.core.request import GenerationRequest, default_request, validate
from desktop_app.core.result import RunRecord, UsedFile
from desktop_app.engine.bridged import bridged_picture
from desktop_app.engine.chunks import in_chunks
from desktop_app.engine.device import Device, device_of_kind, find_device, is_available, machine_of, ran_out_of_memory
from desktop_app.engine.enlarger import enlarge
from desktop_app.engine.families import Loaded
from desktop_app.engine.families.bridge import Bridge
from desktop_app.engine.families.flux import Flux
from desktop_app.engine.families.stable_diffusion_xl_refiner import StableDiffusionXLRefiner
from desktop_app.engine.interrupt import Interrupted, check, interruptible
from desktop_app.engine.job import ENLARGE_CHUNK, Job, Refiner, frames_seen, make_picture
from desktop_app.engine.learned import Learned, learned_in_texts
from desktop_app.engine.lora import Worn, find_wanted, fit, worn
from desktop_app.engine.memory_watch import MemoryWatch, measurements, worth_watching
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder
from desktop_app.engine.preview import Previewer, SharpPreviewer, fitted_factors
from desktop_app.engine.script import read_script
from desktop_app.engine.shelf import Shelf
from desktop_app.engine.start import Start, as_frames, as_pixels, read_start
from desktop_app.prompt.reading import Reading, read_request

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One call of :meth:`Engine.generate`."""

    request: GenerationRequest
    facts: ModelFacts
    reading: Reading
    files: Sequence[Path]
    """In the model folders."""
    parts: Parts
    """Of those files."""
    loras: Mapping[Path, Mapping[str, float]]
    """Files, and how strongly each part is to wear them."""
    start: Start | None
    stop: StopSignal
    preview: bool
    replay: RunRecord | None

    @property
    def seen(self) -> GenerationRequest:
        """The request with as many frames as the model sees."""
        return replace(self.request, frames=frames_seen(self.request, self.start))


class Engine:
    """Makes pictures with the models found in ``models``, folders that hold model folders.

    ``cache`` is a folder for what can be made again; ``device`` is "auto", "cuda", "mps" or "cpu"; ``wishes`` overrule
    what is planned about memory; ``sharp_preview`` is the least number of seconds between two previews by a tiny
    autoencoder, 0: none; ``trusts`` says of which pickled files the weights may be read. Creating an
    engine loads nothing. One job at a time.
    """

    def __init__(
        self,
        *,
        models: Sequence[Path],
        cache: Path,
        device: str = "auto",
        wishes: Wishes = NO_WISHES,
        sharp_preview: float = 0,
        trusts: Trusts = nobody_agreed,
    ) -> None:
        self._folders = tuple(models)
        self._cache = cache
        self._wish = device
        self._wishes = wishes
        self._sharp_preview = sharp_preview
        self._found: tuple[Device, tuple[Message, ...]] | None = None
        self._trusts = trusts
        self.digests = Digests(cache / DIGESTS)
        self.shelf = Shelf(trusts)

    def ready(self) -> EngineReady:
        """Find device, number format and threads. On a CPU that was never probed this takes a fraction of a second."""
        if self._found is None:
            self._found = find_device(self._wish, self._cache)
        device, found = self._found
        return EngineReady(device.record(), machine_of(device, self.shelf.held(device.torch_device)), found)

    def warm(self, model: str) -> None:
        """Load ``model`` ahead of time. Raises ``AppError``."""
        files = files_in(self._folders)
        facts = read_model_facts(resolve_model(model, files), find_parts(files))
        device = self._device(facts, None)
        machine = machine_of(device, self.shelf.held(device.torch_device))
        chosen = choose(default_request(facts), facts, machine, self._wishes, self._measured())
        for _ in self.shelf.model(facts, _as_planned(device, chosen.plan), lambda: None, chosen.need):
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
        files = files_in(self._folders)
        parts = find_parts(files)
        facts = read_model_facts(resolve_model(request.model, files), parts)
        facts = with_refiner(facts, request.refiner, files)
        validate(request, facts)
        device = self._device(facts, replay)
        try:
            if source is None:
                request = request.with_fixed_seed()
                reading = read_request(request, facts)
                loras = find_wanted(reading.loras, facts, files)
                start = read_start(request, _known_from(facts)) if request.start else None
                wanted = _Wanted(request, facts, reading, files, parts, loras, start, stop, preview, replay)
                yield from self._pictures(wanted, device)
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

    def _pictures(self, wanted: _Wanted, device: Device) -> Iterator[Event]:
        """Planned, made, and where memory runs out made once more with the next measure against that."""
        machine = machine_of(device, self.shelf.held(device.torch_device))
        chosen = self._chosen(wanted, device, machine)
        if message := chosen.message(machine):
            yield Notice(message)
        done = 0
        try:
            for event in self._attempt(wanted, device, chosen.plan, chosen.need):
                done += isinstance(event, Picture)
                yield event
            return
        except (MemoryError, RuntimeError) as problem:
            measure = next_measure(wanted.seen, wanted.facts, machine, self._wishes, chosen.plan)
            if wanted.replay or not measure or not ran_out_of_memory(problem):
                raise
        self.release()  # once the error, which holds on to the tensors, is gone
        yield Notice(Message("memory.again", {"device": device.name, "how": MEASURES[measure][0]}))
        yield from self._attempt(wanted, device, changed(chosen.plan, [measure]), None, first=done)

    def _chosen(self, wanted: _Wanted, device: Device, machine: Machine) -> Chosen:
        fixed = _repeated(wanted, machine, str(device.dtype).removeprefix("torch.")) if wanted.replay else None
        return choose(wanted.seen, wanted.facts, machine, self._wishes, self._measured(), fixed=fixed)

    def _measured(self) -> tuple[Measurement, ...]:
        return read_measurements(self._cache / MEASUREMENTS)

    def _attempt(
        self, wanted: _Wanted, device: Device, plan: Plan, need: Forecast | None, first: int = 0
    ) -> Iterator[Event]:
        """The pictures from number ``first`` on, as planned."""
        request, facts, stop = wanted.request, wanted.facts, wanted.stop
        device = _as_planned(device, plan)
        models = self.shelf.models_for(request, facts, wanted.parts, device, lambda: check(stop), need)
        model, refiner = yield from models
        enlarger = (yield from self.shelf.enlarger(facts, device, lambda: check(stop))) if request.enlarge > 1 else None
        tiny = yield from self._tiny(wanted, device)
        run = replace(device.record(plan.form), tiled=plan.tiled)
        loras = self._loras(wanted.loras, facts, model, stop)
        learned = self._learned(wanted, model)
        used = uses(wanted.loras, learned.files)
        self.digests.begin(used)
        script = read_script(wanted.reading, model, plan.form)
        if wanted.replay is not None and (differs := _differences(wanted.replay, run)):
            yield Notice(Message("reproduce.differs", differs))
        from_loras = (notice for lora in loras for notice in lora.notices)
        of_start = wanted.start.notices if wanted.start else ()
        for message in (*script.notices, *learned.notices, *of_start, *from_loras):
            yield Notice(message)
        yield Encoding()
        watch = MemoryWatch(device.torch_device, worth_watching(wanted.seen, facts, plan))
        others = (*(refiner.modules if refiner else ()), *([enlarger] if enlarger else []))
        with interruptible(dict.fromkeys((*model.modules, *others)), stop), worn(loras):
            told, changes = script.encode(model)
            previewer = self._previewer(facts, model, tiny) if wanted.preview else None
            job: Job[Any] = Job(
                request, facts, model, told, run, previewer, enlarger, wanted.start, stop, watch, changes
            )
            if refiner is not None:
                job = replace(job, refiner=self._told(wanted, refiner, plan.form))
            make = bridged_picture if isinstance(model, Bridge) else make_picture
            for index in range(first, request.count):
                check(stop)
                for event in make(job, index):
                    yield self._with_files(event, used)
                if stop.kept:
                    break
        took = measurements(watch.took, wanted.seen, facts, plan, device.name)
        add_measurements(self._cache / MEASUREMENTS, took)

    def _told(self, wanted: _Wanted, refiner: StableDiffusionXLRefiner, form: str) -> Refiner:
        """The refiner, told what the model is; of what is left out the model has spoken."""
        self._learned(wanted, refiner)
        told, changes = read_script(wanted.reading, refiner, form).encode(refiner)
        return Refiner(refiner, wanted.request.refiner, told, changes)

    def _loras(
        self, wanted: Mapping[Path, Mapping[str, float]], facts: ModelFacts, model: Loaded, stop: StopSignal
    ) -> list[Worn]:
        """What the model is to wear. Raises ``AppError``."""
        if not wanted:
            return []
        assert isinstance(model, LatentDiffusion | Flux)  # no other family takes any
        loaded = ((self.shelf.lora(path, model.device, lambda: check(stop)), how) for path, how in wanted.items())
        return [fit(lora, model.adaptable, how, facts.name) for lora, how in loaded]

    def _with_files(self, event: Event, used: Mapping[Path, UsedFile]) -> Event:
        """A picture with the files it was made with in its recipe; no job waits for their digests."""
        if not (used and isinstance(event, Picture)):
            return event
        known = ((self.digests.known(path, use.kind), use) for path, use in used.items())
        files = tuple(replace(use, digest=digest) for digest, use in known if digest)
        return replace(event, result=replace(event.result, run=replace(event.result.run, files=files)))

    def _learned(self, wanted: _Wanted, model: Loaded) -> Learned:
        """Let the model know the textual inversions that the texts name. What of them is taken for words is told."""
        if not isinstance(model, LatentDiffusion):
            return Learned()
        learned = learned_in_texts(wanted.reading, model.text.widths, wanted.files, self._trusts)
        model.text.learn(learned.vectors)
        return learned

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

    def _tiny(self, wanted: _Wanted, device: Device) -> Generator[Event, None, TinyAutoencoder | None]:
        """The tiny autoencoder for previews, where they are wanted and there is one."""
        names = wanted.facts.tiny_autoencoders
        if not (names and wanted.preview and self._sharp_preview):
            return None
        path, model = autoencoder(wanted.facts, names[0], wanted.parts), Path(wanted.facts.folder)
        tiny = yield from self.shelf.tiny(path, model, device, lambda: check(wanted.stop))
        assert isinstance(tiny, TinyAutoencoder)
        return tiny

    def _previewer(
        self, facts: ModelFacts, model: Loaded, tiny: TinyAutoencoder | None
    ) -> Previewer | SharpPreviewer | None:
        if isinstance(model, Bridge) and model.latent_channels is None:
            return None
        factors = facts.preview
        if factors is None:
            stamps = [(file.name, file.stat()) for file in weights_of(facts)]
            text = f"{facts.folder} {[(name, stat.st_size, stat.st_mtime_ns) for name, stat in stamps]}"
            name = hashlib.sha256(text.encode()).hexdigest()[:16]
            factors = fitted_factors(model.encode_pictures, self._cache / f"preview-{name}.json")
        soft = Previewer(factors, model.device.torch_device)
        return SharpPreviewer(soft, tiny, self._sharp_preview) if tiny else soft


def _known_from(facts: ModelFacts) -> int:
    """Frames at once, for the question how many of an extended film the model is to know: some film one picture."""
    return facts.film.window if facts.film is not None and not facts.film.needs_start else 1


def _as_planned(device: Device, plan: Plan) -> Device:
    return replace(device, dtype=_DTYPES[plan.dtype], offload=plan.offload, eight_bits=plan.eight_bits)


def _repeated(wanted: _Wanted, machine: Machine, dtype: str) -> Plan:
    """The plan of the run that is repeated, as far as it fits the request and this machine; ``dtype`` is the device's.

    A form of guidance that is not the request's own comes from a recipe that somebody changed.
    """
    assert wanted.replay is not None
    request, replay = wanted.request, wanted.replay
    pixels = latent_pixels(wanted.seen, wanted.facts, wanted.seen.frames)
    form = usual_form(machine.kind, machine.memory, request.guidance_scale, pixels)
    if wanted.facts.pipeline or (replay.guidance_form == NONE) == (request.guidance_scale == 1):
        form = replay.guidance_form
    eight_bits = replay.eight_bits and can_keep_eight_bits(wanted.facts, machine)
    return Plan(dtype, form, replay.tiled, eight_bits=eight_bits)


def _differences(then: RunRecord, now: RunRecord) -> dict[str, str] | None:
    """What of the earlier run this one cannot repeat, as the two halves of a sentence; None when nothing."""
    before, after = ({**run.versions, "on": run.device_name, "in": run.precision} for run in (then, now))
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
