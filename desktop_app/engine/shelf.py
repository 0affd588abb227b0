"""Loaded models, kept for the next job while memory permits."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from pathlib import Path

from desktop_app.checkpoints.facts import check_model_files, weights_of
from desktop_app.core.catalog import FilmFacts, ModelFacts
from desktop_app.core.events import Event
from desktop_app.engine.device import Device, free_memory, give_memory_back
from desktop_app.engine.enlarger import Enlarger, load_enlarger
from desktop_app.engine.families import FAMILIES
from desktop_app.engine.families.animate_diff import AnimateDiff
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.lora import Lora, load_lora
from desktop_app.engine.model import Model
from desktop_app.engine.parts.autoencoder import Autoencoder
from desktop_app.engine.parts.latent_diffusion import load_autoencoder

KEPT_MODELS = 2
"""Loaded models kept for the next job, memory permitting."""

KEPT_LORAS = 8
"""Loaded LoRAs kept for the next job."""

Key = tuple[str, ...]
Check = Callable[[], None]
"""Called between tensors; may raise to stop."""


class Shelf:
    """Models by what makes them differ: their files, the device and the number format."""

    def __init__(self) -> None:
        self.models: dict[Key, Model] = {}
        """The one used last is the last."""
        self._motion: tuple[Key, AnimateDiff] | None = None
        self._autoencoder: tuple[Key, Autoencoder] | None = None
        self._enlarger: tuple[Key, Enlarger] | None = None
        self._loras: dict[Key, Lora] = {}

    def clear(self) -> None:
        """Forget everything and give its memory back to the system."""
        self.models.clear()
        self._loras.clear()
        self._motion = self._autoencoder = self._enlarger = None
        give_memory_back()

    def model(self, facts: ModelFacts, device: Device, check: Check) -> Generator[Event, None, Model]:
        """The model, from memory if it is still there and its files are unchanged. Raises ``AppError``."""
        check_model_files(facts)
        files = weights_of(facts)
        key = (facts.folder, str(device.torch_device), str(device.dtype), *_stamps(files))
        if key not in self.models:
            self._make_room(sum(file.stat().st_size for file in files), device)
            self.models[key] = yield from FAMILIES[facts.family](Path(facts.folder), device, check)
        self.models[key] = self.models.pop(key)  # newest last
        return self.models[key]

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

    def autoencoder(self, folder: Path, device: Device, check: Check) -> Generator[Event, None, Autoencoder]:
        """The autoencoder in ``folder``, from memory if it was the last one used and is unchanged.

        Raises ``AppError``.
        """
        key = (str(device.torch_device), str(device.dtype), *_stamps(sorted(folder.glob("*"))))
        if self._autoencoder is None or self._autoencoder[0] != key:
            self._autoencoder = None
            self._autoencoder = (key, (yield from load_autoencoder(folder, device, check)))
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

    def _make_room(self, size: int, device: Device) -> None:
        """Let the oldest models go until one of ``size`` bytes on disk fits beside them twice over (float16 grows)."""
        while self.models and (len(self.models) >= KEPT_MODELS or free_memory(device.torch_device) < 4 * size):
            del self.models[next(iter(self.models))]
            self._motion = None  # it may share the layers of the one that went
            give_memory_back()


def _stamps(files: Iterable[Path]) -> list[str]:
    """What changes when the content of a file does, without reading it."""
    return [f"{file}:{file.stat().st_size}:{file.stat().st_mtime_ns}" for file in files]
