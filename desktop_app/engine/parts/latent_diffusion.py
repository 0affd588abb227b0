"""What all text-told latent diffusion models have in common: text encoders, U-Net, autoencoder, scheduler config."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from desktop_app.checkpoints.lone_parts import is_tiny
from desktop_app.checkpoints.original_names import lone_vae
from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.eight_bits import empty_denoiser
from desktop_app.engine.guidance import Predict, guided
from desktop_app.engine.loading import Part, WeightReader, count_weights
from desktop_app.engine.lora_names import DENOISER, TEXT, TEXT_2
from desktop_app.engine.parts.autoencoder import Autoencoder
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder
from desktop_app.engine.source import Source, find_source


class TextPart(Protocol):
    """The text half of a model: tokenizers and text encoders."""

    @property
    def parts(self) -> tuple[Part, ...]: ...

    @property
    def modules(self) -> tuple[nn.Module, ...]: ...

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        ...

    @property
    def widths(self) -> dict[str, int]:
        """Of the embeddings that a textual inversion for this model has, by part."""
        ...

    def learn(self, vectors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Know these textual inversions and no others: for each name, the vectors of its parts of a model."""
        ...

    def tokenize(self, request: GenerationRequest, form: str) -> Any:
        """The texts of ``request``; the negative one counts only where the guidance ``form`` uses it."""
        ...

    def encode(self, texts: Any, dtype: torch.dtype) -> Any:
        """What the denoiser is told, in ``dtype``."""
        ...


T = TypeVar("T", bound=TextPart)


@dataclass
class LatentDiffusion(Generic[T]):
    """One loaded model, on one device: the half of :class:`desktop_app.engine.model.Model` that never differs."""

    device: Device
    text: T
    unet: Any
    autoencoder: Autoencoder | TinyAutoencoder
    scheduler_config: dict[str, Any]

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (*self.text.modules, self.unet, self.autoencoder.module)

    @property
    def adaptable(self) -> dict[str, nn.Module]:
        """What a LoRA may change, by the names of :mod:`desktop_app.engine.lora_names`."""
        return dict(zip((DENOISER, TEXT, TEXT_2), (self.unet, *self.text.modules), strict=False))

    @property
    def latent_shrink(self) -> int:
        return self.autoencoder.shrink

    def tokenize(self, request: GenerationRequest, form: str) -> Any:
        return self.text.tokenize(request, form)

    def encode(self, texts: Any) -> Any:
        return self.text.encode(texts, self.device.dtype)

    def predictor(
        self,
        conditioning: Any,
        request: GenerationRequest,
        form: str,
        start: Tensor | None,
        generator: torch.Generator,
    ) -> Predict:
        return guided(self.evaluate, conditioning, request.guidance_scale, form)

    def evaluate(self, model_input: Tensor, t: Tensor, embeddings: Tensor) -> Tensor:
        """One evaluation of the U-Net; float32 in and out, whatever its own dtype."""
        model_input = model_input.to(self.device.dtype)
        return self.unet(model_input, t, encoder_hidden_states=embeddings, return_dict=False)[0].float()

    def tiles(self) -> AbstractContextManager[bool]:
        return self.autoencoder.tiles()

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        return self.autoencoder.mean(pictures)


M = TypeVar("M", bound=LatentDiffusion[Any])


def load_parts(
    cls: type[M],
    empty_text: Callable[[Source], TextPart],
    build_unet: Callable[[dict[str, Any]], Any],
    source: Source,
    device: Device,
    check: Callable[[], None],
    shared: Autoencoder | TinyAutoencoder | None = None,
) -> Generator[Loading, None, M]:
    """Load ``source`` as a ``cls``; ``check`` may raise between tensors. Raises ``AppError``.

    ``shared``, the loaded autoencoder of another model, takes the place of its own.

    Text encoders and autoencoder leave float32 for float16 only: bfloat16 has too few digits for 256 shades, and where
    it is used, on a CPU, they take a small part of the time.
    """
    where, dtype = device.storage, _careful(device)
    scheduler_config = source.scheduler_config()
    unet_part = source.part("unet", "diffusion_pytorch_model")
    text = empty_text(source)
    unet = empty_denoiser(unet_part, build_unet, device)
    autoencoder = shared or Autoencoder.empty(source)
    if unet.config.in_channels != autoencoder.channels:
        raise AppError("model.family", model=source.name, kind=f"U-Net with {unet.config.in_channels} inputs")
    own = [] if shared else [autoencoder.part]
    reader = WeightReader(count_weights([*text.parts, unet_part, *own]), check)
    yield from text.fill(reader, where, dtype)
    yield from reader.fill(unet, unet_part, where, device.dtype, str)
    unet.to(where)  # buffers, which are computed and not stored
    if not shared:
        yield from autoencoder.fill(reader, where, dtype)
    return cls(device, text, unet, autoencoder, scheduler_config)


def load_autoencoder(
    path: Path, model: Path, device: Device, check: Callable[[], None]
) -> Generator[Loading, None, Autoencoder | TinyAutoencoder]:
    """An autoencoder by itself, tiny or not, for the model at ``model``; ``path`` is a diffusers folder or a file.

    Raises ``AppError``.
    """
    autoencoder = TinyAutoencoder.empty(path) if is_tiny(path) else Autoencoder.of(_lone_part(path, model))
    reader = WeightReader(count_weights(list(autoencoder.parts)), check)
    yield from autoencoder.fill(reader, device.storage, _careful(device))
    return autoencoder


def _lone_part(path: Path, model: Path) -> Part:
    """A file tells neither its scale nor what is in between: it is built as the model's own autoencoder."""
    if path.is_dir():
        return Part(path.parent, path.name, "diffusion_pytorch_model")
    part = Part(find_source(model).folder, "vae", "")
    return replace(part, file=path, places=lone_vae(part.config()))


def _careful(device: Device) -> torch.dtype:
    """For text encoders and autoencoders: float32 where the U-Net is in bfloat16."""
    return device.dtype if device.dtype == torch.float16 else torch.float32
