"""A tiny autoencoder (TAESD, Ollin Boer Bohan 2023): a small network that decodes nearly as the large one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import Tensor

from desktop_app.core.events import Loading
from desktop_app.engine.loading import Part, WeightReader, build_empty
from desktop_app.engine.offload import computes_on
from desktop_app.engine.parts.autoencoder import ENCODE_CHUNK, to_pixels


@dataclass(frozen=True, slots=True)
class TinyAutoencoder:
    """Does what :class:`desktop_app.engine.parts.autoencoder.Autoencoder` does; it speaks the denoiser's latents."""

    part: Part
    module: Any
    channels: int
    shrink: int
    """Pixels per latent pixel, along each side."""
    scale: float
    shift: float = 0.0

    @classmethod
    def empty(cls, folder: Path) -> TinyAutoencoder:
        """That in the diffusers folder ``folder``, its weights still to be filled in. Raises ``AppError``."""
        part = Part(folder.parent, folder.name, "diffusion_pytorch_model")
        module = build_empty(part, AutoencoderTiny.from_config)
        config = module.config
        return cls(
            part, module, config.latent_channels, 2 ** (len(config.block_out_channels) - 1), config.scaling_factor
        )

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        yield from reader.fill(self.module, self.part, where, dtype, str)
        self.module.to(where)

    def latent_size(self, width: int, height: int) -> tuple[int, int]:
        """(height, width) of the latents of a picture of ``width`` × ``height`` px."""
        return (height // self.shrink, width // self.shrink)

    @torch.inference_mode()
    def mean(self, pictures: Tensor) -> Tensor:
        """Latents of ``pictures``, (n, 3, height, width) in [-1, 1]."""
        pictures = pictures.to(computes_on(self.module), self.module.dtype)
        parts = [self.module.encode(part).latents for part in pictures.split(ENCODE_CHUNK)]
        return self.scale * torch.cat(parts).float()

    def draw(self, pictures: Tensor, generator: torch.Generator, together: int = 16) -> Tensor:
        """The same: it tells one answer, no distribution, and draws nothing."""
        return self.mean(pictures)

    @contextmanager
    def tiles(self) -> Iterator[bool]:
        """While it is entered, :meth:`decode` works in tiles. Gives True: it can."""
        self.module.enable_tiling()
        try:
            yield True
        finally:
            self.module.disable_tiling()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (n, height, width, 3), uint8 on the CPU, of ``latents`` without scale.

        Raises ``ArithmeticError`` when they are not finite.
        """
        return to_pixels(self.module.decode(latents.to(self.module.dtype), return_dict=False)[0])
