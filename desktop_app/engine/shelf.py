"""Loaded models, kept for the next job while memory permits; the one that was used longest ago goes first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from desktop_app.checkpoints.consent import Trusts, nobody_agreed, require_consent
from desktop_app.checkpoints.facts import autoencoder_folder, check_model_files, motion_model_folder, weights_of
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
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.lora import Lora, load_lora
from desktop_app.engine.offload import Turns
from desktop_app.engine.parts.autoencoder import Autoencoder
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion, load_autoencoder
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder

KEPT_LORAS = 8
"""Loaded LoRAs kept for the next job."""

Key = tuple[str, ...]
CPU = torch.device("cpu")
Check = Callable[[], None]
"""Called between tensors; may raise to stop."""


class Shelf:
    """Models by what makes them differ: their files, the device and the number format."""

    def __init__(self, folders: Sequence[Path], trusts: Trusts = nobody_agreed) -> None:
        """Motion adapters and autoencoders are looked for in ``folders``; ``trusts`` says which pickles may be read."""
        self._folders, self._trusts = folders, trusts
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
        self, facts: ModelFacts, device: Device, check: Check, need: Forecast | None
    ) -> Generator[Event, None, Loaded]:
        """The model, from memory if it is still there and its files are unchanged; others make room for it.

        ``need`` is what the run is to find; None where that is not known. Raises ``AppError``.
        """
        check_model_files(facts)
        files = weights_of(facts)
        require_consent(files, self._trusts)
        way = (str(device.torch_device), str(device.dtype), device.offload, str(device.eight_bits))
        key = (facts.folder, *way, *_stamps(files))
        room = _room(need, files)
        if key in self.models:
            self.models[key] = self.models.pop(key)  # newest last
            self._make_room(room, device, keep=1)
            self._fetch(self.models[key])
        else:
            self._forget(facts.folder)
            self._make_room(room, device, keep=0)
            model = yield from FAMILIES[facts.family](Path(facts.folder), device, check)
            self._let_wait(model.modules, device)
            self.models[key] = model
        return self.models[key]

    def model_for(
        self, request: GenerationRequest, facts: ModelFacts, device: Device, check: Check, need: Forecast | None
    ) -> Generator[Event, None, Loaded]:
        """The model that makes ``request``, with the autoencoder it names. Raises ``AppError``."""
        model = yield from self._animated(request, facts, device, check, need)
        if not request.vae or not isinstance(model, LatentDiffusion):
            return model
        folder = autoencoder_folder(facts, request.vae, self._folders)
        return replace(model, autoencoder=(yield from self.autoencoder(folder, device, check)))

    def _animated(
        self, request: GenerationRequest, facts: ModelFacts, device: Device, check: Check, need: Forecast | None
    ) -> Generator[Event, None, Loaded]:
        """The model as it is: for a film of a picture model, with its motion adapter."""
        model = yield from self.model(facts, device, check, need)
        if not (request.is_film and facts.motion_models and facts.film):
            return model
        assert isinstance(model, StableDiffusion)  # adapters are found for this family alone
        folder = motion_model_folder(facts, request.motion_model, self._folders)
        film = facts.film.with_another_adapter() if request.motion_model else facts.film
        return (yield from self.motion(model, folder, film, check))

    def motion(
        self, pictures: StableDiffusion, folder: Path, film: FilmFacts, check: Check
    ) -> Generator[Event, None, AnimateDiff]:
        """``pictures``, the model used last, made to film as ``film`` says by the adapter in ``folder``.

        Raises ``AppError``.
        """
        files = [folder / "config.json", *sorted(folder.glob("*.safetensors"))]
        stamps = _stamps(file for file in files if file.is_file())
        key = (*next(reversed(self.models)), repr(film), *stamps)
        if self._motion is None or self._motion[0] != key:
            self._motion = None
            self._motion = (key, (yield from AnimateDiff.load(pictures, folder, film, check)))
        return self._motion[1]

    def tiny(self, folder: Path, device: Device, check: Check) -> Generator[Event, None, Autoencoder | TinyAutoencoder]:
        """The tiny autoencoder in ``folder`` for previews, which is always there whole. Raises ``AppError``."""
        key = (str(device.torch_device), str(device.dtype), *_stamps(sorted(folder.glob("*"))))
        if self._tiny is None or self._tiny[0] != key:
            self._tiny = (key, (yield from load_autoencoder(folder, replace(device, offload=WHOLE), check)))
        return self._tiny[1]

    def autoencoder(
        self, folder: Path, device: Device, check: Check
    ) -> Generator[Event, None, Autoencoder | TinyAutoencoder]:
        """The autoencoder in ``folder``, from memory if it was the last one used and is unchanged.

        Raises ``AppError``.
        """
        key = (str(device.torch_device), str(device.dtype), device.offload, *_stamps(sorted(folder.glob("*"))))
        if self._autoencoder is None or self._autoencoder[0] != key:
            self._autoencoder = None
            autoencoder = yield from load_autoencoder(folder, device, check)
            self._let_wait([autoencoder.module], device)
            self._autoencoder = (key, autoencoder)
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
        """Bytes on ``device`` of the weights of all models that are kept."""
        return sum(_bytes_on(model, device) for model in self.models.values())

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


def _room(need: Forecast | None, files: Sequence[Path]) -> tuple[int, int]:
    """Bytes to be free in RAM beside the device, and on it. Unknown models: float16 grows, and works in as much."""
    if need is None:
        return 0, 4 * sum(file.stat().st_size for file in files)
    return round(need.waiting * MARGIN), round(need.total * MARGIN)


def _bytes_on(model: Loaded, device: torch.device) -> int:
    weights = (weight for module in model.modules for weight in module.parameters())
    return sum(weight.nbytes for weight in weights if weight.device.type == device.type)


def _stamps(files: Iterable[Path]) -> list[str]:
    """What changes when the content of a file does, without reading it."""
    return [f"{file}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files]
