"""Loaded models, kept for the next job while memory permits; the one that was used longest ago goes first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from desktop_app.checkpoints.consent import Trusts, nobody_agreed, require_consent
from desktop_app.checkpoints.facts import check_model_files, weights_of
from desktop_app.checkpoints.lone_parts import Parts, autoencoder, motion_adapter, part_files
from desktop_app.core.catalog import FilmFacts, ModelFacts
from desktop_app.core.events import Event
from desktop_app.core.forecast import Forecast
from desktop_app.core.memory_plan import BY_GROUP, WHOLE
from desktop_app.core.planning import MARGIN
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device, free_memory, give_memory_back
from desktop_app.engine.enlarger import Enlarger, load_enlarger
from desktop_app.engine.families import FAMILIES, Loaded
from desktop_app.engine.families.animate_diff import AnimateDiff
from desktop_app.engine.families.flux import Flux
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.families.stable_diffusion_xl_refiner import StableDiffusionXLRefiner
from desktop_app.engine.lora import Lora, load_lora
from desktop_app.engine.offload import Turns
from desktop_app.engine.parts.autoencoder import Autoencoder
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion, load_autoencoder
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder

KEPT_LORAS = 8
"""Loaded LoRAs kept for the next job."""

SHARED = "shared autoencoder"
"""Ends the key of a refiner that has the autoencoder of another model."""

Key = tuple[str, ...]
CPU = torch.device("cpu")
Check = Callable[[], None]
"""Called between tensors; may raise to stop."""


class Shelf:
    """Models by what makes them differ: their files, the device and the number format."""

    def __init__(self, trusts: Trusts = nobody_agreed) -> None:
        """``trusts`` says which pickles may be read."""
        self._trusts = trusts
        self.models: dict[Key, Loaded] = {}
        """The one used last is the last."""
        self._motion: tuple[Key, AnimateDiff] | None = None
        self._autoencoder: tuple[Key, Autoencoder | TinyAutoencoder] | None = None
        self._tiny: tuple[Key, Autoencoder | TinyAutoencoder] | None = None
        self._enlarger: tuple[Key, Enlarger] | None = None
        self._loras: dict[Key, Lora] = {}
        self._turns = Turns()

    def clear(self) -> None:
        """Forget everything and give its memory back to the system."""
        self.models.clear()
        self._loras.clear()
        self._motion = self._autoencoder = self._tiny = self._enlarger = None
        self._turns = Turns()
        give_memory_back()

    def model(
        self, facts: ModelFacts, device: Device, check: Check, need: Forecast | None, beside: int = 0
    ) -> Generator[Event, None, Loaded]:
        """The model, from memory if it is still there and its files are unchanged; others make room for it, all but
        the newest ones, so many as are to stay ``beside`` it.

        ``need`` is what the run is to find; None where that is not known. Raises ``AppError``.
        """
        key, room = self._look_up(facts, device, need)
        if key in self.models:
            self._use(key, room, device, beside)
        else:
            self._forget(facts.folder)
            self._make_room(room, device, keep=beside)
            model = yield from FAMILIES[facts.family](Path(facts.folder), device, check)
            self._let_wait(model.modules, device)
            self.models[key] = model
        return self.models[key]

    def models_for(
        self,
        request: GenerationRequest,
        facts: ModelFacts,
        parts: Parts,
        device: Device,
        check: Check,
        need: Forecast | None,
    ) -> Generator[Event, None, tuple[Loaded, StableDiffusionXLRefiner | None]]:
        """The model that makes ``request``, with the motion adapter and the autoencoder of ``parts`` that it names, and
        its refiner.

        Raises ``AppError``.
        """
        refiner = facts.refiner(request.refiner)
        beside = 0 if refiner is None else self._bring_forward(refiner, device, need)
        model = yield from self.model(facts, device, check, need, beside)
        if request.is_film and facts.motion_models and facts.film:
            assert isinstance(model, StableDiffusion)  # adapters are found for this family alone
            adapter = motion_adapter(facts, request.motion_model, parts)
            film = facts.film.with_another_adapter() if request.motion_model else facts.film
            model = yield from self.motion(model, adapter, film, check)
        if request.vae and isinstance(model, LatentDiffusion | Flux):
            path = autoencoder(facts, request.vae, parts)
            other = yield from self.autoencoder(path, Path(facts.folder), device, check)
            model = replace(model, autoencoder=_in_the_place_of(model.autoencoder, other))
        if refiner is None:
            return model, None
        assert isinstance(model, LatentDiffusion)  # no other has refiners
        return model, (yield from self.refiner(refiner, model, device, check, need))

    def _bring_forward(self, refiner: ModelFacts, device: Device, need: Forecast | None) -> int:
        """Have the refiner stay while its model is fetched, if it is there: how many models are to stay."""
        key, _ = self._refiner_key(refiner, device, need)
        if key not in self.models:
            return 0
        self.models[key] = self.models.pop(key)
        return 1

    def refiner(
        self,
        facts: ModelFacts,
        pictures: LatentDiffusion[Any],
        device: Device,
        check: Check,
        need: Forecast | None,
    ) -> Generator[Event, None, StableDiffusionXLRefiner]:
        """The refiner of ``pictures``, the model used last, whose autoencoder it shares. Raises ``AppError``."""
        key, room = self._refiner_key(facts, device, need)
        if key in self.models:
            self._use(key, room, device, beside=1)
        else:
            self._forget(facts.folder)
            self._make_room(room, device, keep=1)
            loading = StableDiffusionXLRefiner.load(Path(facts.folder), device, check, pictures.autoencoder)
            refiner = yield from loading
            self._let_wait((*refiner.text.modules, refiner.unet), device)
            self.models[key] = refiner
        refiner = self.models[key]
        assert isinstance(refiner, StableDiffusionXLRefiner)
        return replace(refiner, autoencoder=pictures.autoencoder)

    def _refiner_key(self, facts: ModelFacts, device: Device, need: Forecast | None) -> tuple[Key, tuple[int, int]]:
        """Its key, and the room it needs; where it is whole on the shelf it serves as well. Raises ``AppError``."""
        key, room = self._look_up(facts, device, need)
        return (key if key in self.models else (*key, SHARED)), room

    def _look_up(self, facts: ModelFacts, device: Device, need: Forecast | None) -> tuple[Key, tuple[int, int]]:
        """(the model's key, the room that it needs). Raises ``AppError``."""
        check_model_files(facts)
        files = weights_of(facts)
        require_consent(files, self._trusts)
        way = (str(device.torch_device), str(device.dtype), device.offload, str(device.eight_bits))
        key = (facts.folder, *way, *_stamps(files))
        return key, _room(need, files)

    def _use(self, key: Key, room: tuple[int, int], device: Device, beside: int) -> None:
        """The model at ``key`` becomes the newest, and is fetched; those older than ``beside`` others make room."""
        self.models[key] = self.models.pop(key)
        self._make_room(room, device, keep=1 + beside)
        self._fetch(self.models[key])

    def motion(
        self, pictures: StableDiffusion, adapter: Path, film: FilmFacts, check: Check
    ) -> Generator[Event, None, AnimateDiff]:
        """``pictures``, the model used last, made to film as ``film`` says by the ``adapter``, a folder or a file.

        Raises ``AppError``.
        """
        key = (*next(reversed(self.models)), repr(film), *_stamps(part_files(adapter)))
        if self._motion is None or self._motion[0] != key:
            self._motion = None
            self._motion = (key, (yield from AnimateDiff.load(pictures, adapter, film, check)))
        return self._motion[1]

    def tiny(
        self, path: Path, model: Path, device: Device, check: Check
    ) -> Generator[Event, None, Autoencoder | TinyAutoencoder]:
        """The tiny autoencoder at ``path`` for previews, which is always there whole. Raises ``AppError``."""
        key = (str(device.torch_device), str(device.dtype), *_stamps(part_files(path)))
        if self._tiny is None or self._tiny[0] != key:
            self._tiny = (key, (yield from load_autoencoder(path, model, replace(device, offload=WHOLE), check)))
        return self._tiny[1]

    def autoencoder(
        self, path: Path, model: Path, device: Device, check: Check
    ) -> Generator[Event, None, Autoencoder | TinyAutoencoder]:
        """The autoencoder at ``path`` for the model at ``model``, from memory if it was the last and is unchanged.

        Raises ``AppError``.
        """
        how = (str(model), str(device.torch_device), str(device.dtype), device.offload)
        key = (*how, *_stamps(part_files(path)))
        if self._autoencoder is None or self._autoencoder[0] != key:
            self._autoencoder = None
            loaded = yield from load_autoencoder(path, model, device, check)
            self._let_wait([loaded.module], device)
            self._autoencoder = (key, loaded)
        return self._autoencoder[1]

    def enlarger(self, facts: ModelFacts, device: Device, check: Check) -> Generator[Event, None, Enlarger]:
        """The model's enlarger, from memory if it was the last one used and is unchanged. Raises ``AppError``."""
        folder = Path(facts.folder)
        check_model_files(facts)
        key = (str(device.torch_device), *_stamps(sorted(folder.glob("enlarger/*"))))
        if self._enlarger is None or self._enlarger[0] != key:
            loading = load_enlarger(folder, facts.enlarge, device.torch_device, check)
            self._enlarger = (key, (yield from loading))
        return self._enlarger[1]

    def lora(self, path: Path, device: Device, check: Check) -> Lora:
        """The LoRA in the file ``path``, from memory if it was used lately and is unchanged. Raises ``AppError``."""
        key = (str(device.torch_device), *_stamps([path]))
        lora = self._loras.pop(key, None) or load_lora(path, device.torch_device, check)
        self._loras[key] = lora  # newest last
        while len(self._loras) > KEPT_LORAS:
            del self._loras[next(iter(self._loras))]
        return lora

    def held(self, device: torch.device) -> int:
        """Bytes on ``device`` of the weights of all models that are kept; two may share an autoencoder."""
        weights = {id(weight): weight for model in self.models.values() for weight in _weights(model)}
        return sum(weight.nbytes for weight in weights.values() if weight.device.type == device.type)

    def _make_room(self, room: tuple[int, int], device: Device, keep: int) -> None:
        """Let the models used longest ago go, all but the last ``keep``, until there is ``room`` in RAM and on the
        device, the weights of those that stay included.

        From a graphics card they go to RAM as long as they fit there.
        """
        there = list(self.models.values())[-keep:] if keep else []
        for where, size in zip((CPU, device.torch_device), room, strict=True):
            size -= sum(_bytes_on(model, where) for model in there)
            for key in list(self.models)[: len(self.models) - keep]:
                if free_memory(where) >= size:
                    break
                if held := _bytes_on(self.models[key], where):
                    self._put_away(key, held, where)

    def _forget(self, folder: str) -> None:
        """Let the same model go as it was: its files have changed, or it is wanted in another way."""
        for key in [key for key in self.models if key[0] == folder]:
            del self.models[key]
            self._motion = None

    def _put_away(self, key: Key, held: int, where: torch.device) -> None:
        """Free the ``held`` bytes of a model on ``where``."""
        if where.type == "cuda" and free_memory(CPU) > held * MARGIN:
            for module in self.models[key].modules:
                module.to(CPU)
        else:
            del self.models[key]
        self._motion = None  # it may share the layers of the one that went
        give_memory_back()

    def _fetch(self, model: Loaded) -> None:
        """Bring back a model that was put away into RAM."""
        if model.device.offload == WHOLE:
            for module in model.modules:
                module.to(model.device.torch_device)

    def _let_wait(self, modules: Iterable[nn.Module], device: Device) -> None:
        """Have ``modules``, just loaded, wait in RAM for their turn if that is how the run goes."""
        if device.offload != WHOLE:
            for module in modules:
                self._turns.attend(module, device.torch_device, by_group=device.offload == BY_GROUP)


def _in_the_place_of(
    own: Autoencoder | TinyAutoencoder, other: Autoencoder | TinyAutoencoder
) -> Autoencoder | TinyAutoencoder:
    """``other`` as it can do all that ``own`` does: encode, and keep from overflowing where float16 is too small."""
    if isinstance(other, TinyAutoencoder):
        return replace(other, encoder=own) if other.only_decodes else other
    if own.module.dtype == torch.float32 and other.module.config.force_upcast:
        other.module.float()
    return other


def _room(need: Forecast | None, files: Sequence[Path]) -> tuple[int, int]:
    """Bytes to be free in RAM beside the device, and on it. Unknown models: float16 grows, and works in as much."""
    if need is None:
        return 0, 4 * sum(file.stat().st_size for file in files)
    return round(need.waiting * MARGIN), round(need.total * MARGIN)


def _bytes_on(model: Loaded, device: torch.device) -> int:
    return sum(weight.nbytes for weight in _weights(model) if weight.device.type == device.type)


def _weights(model: Loaded) -> Iterator[nn.Parameter]:
    return (weight for module in model.modules for weight in module.parameters())


def _stamps(files: Iterable[Path]) -> list[str]:
    """What changes when the content of a file does, without reading it."""
    return [f"{file}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files]
