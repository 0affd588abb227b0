"""A tiny autoencoder (TAESD, Ollin Boer Bohan 2023): a small network that decodes nearly as the large one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import Tensor, nn

from desktop_app.checkpoints.lone_parts import latent_channels, other_half
from desktop_app.checkpoints.original_names import tiny_decoder, tiny_encoder
from desktop_app.core.events import Loading
from desktop_app.engine.loading import Part, WeightReader, build_empty, stored_tensors
from desktop_app.engine.offload import computes_on
from desktop_app.engine.parts.autoencoder import ENCODE_CHUNK, Autoencoder, to_pixels


@dataclass(frozen=True, slots=True)
class TinyAutoencoder:
    """Does what :class:`desktop_app.engine.parts.autoencoder.Autoencoder` does; it speaks the denoiser's latents."""

    module: Any
    filled: tuple[tuple[nn.Module, Part], ...]
    """Modules, ``module`` or the halves of it, and where the weights of each are."""
    channels: int
    shrink: int
    """Pixels per latent pixel, along each side."""
    scale: float
    shift: float = 0.0
    encoder: Autoencoder | TinyAutoencoder | None = None
    """What encodes where only the decoder is there."""

    @classmethod
    def empty(cls, path: Path) -> TinyAutoencoder:
        """That in the diffusers folder or the file ``path``, its weights still to be filled in. Raises ``AppError``."""
        if path.is_dir():
            part = Part(path.parent, path.name, "diffusion_pytorch_model")
            module = build_empty(part, AutoencoderTiny.from_config)
            return cls._of(module, ((module, part),))
        with init_empty_weights(include_buffers=False):
            module = AutoencoderTiny(latent_channels=latent_channels(path)).eval().requires_grad_(False)
        decoder = Part(path.parent, path.stem, "", path, tiny_decoder)
        beside = other_half(path)
        encoder = replace(decoder, file=beside or path, places=tiny_encoder(alone=beside is not None))
        if not stored_tensors(encoder, beside or path):
            module.encoder = nn.Identity()
            return cls._of(module, ((module.decoder, decoder),))
        return cls._of(module, ((module.encoder, encoder), (module.decoder, decoder)))

    @classmethod
    def _of(cls, module: Any, filled: tuple[tuple[nn.Module, Part], ...]) -> TinyAutoencoder:
        config = module.config
        shrink = 2 ** (len(config.block_out_channels) - 1)
        return cls(module, filled, config.latent_channels, shrink, config.scaling_factor)

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for _, part in self.filled)

    @property
    def only_decodes(self) -> bool:
        return isinstance(self.module.encoder, nn.Identity)

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        for module, part in self.filled:
            yield from reader.fill(module, part, where, dtype, str)
        self.module.to(where)

    def latent_size(self, width: int, height: int) -> tuple[int, int]:
        """(height, width) of the latents of a picture of ``width`` × ``height`` px."""
        return (height // self.shrink, width // self.shrink)

    @torch.inference_mode()
    def mean(self, pictures: Tensor) -> Tensor:
        """Latents of ``pictures``, (n, 3, height, width) in [-1, 1]."""
        if self.encoder is not None:
            return self.encoder.mean(pictures)
        pictures = pictures.to(computes_on(self.module), self.module.dtype)
        parts = [self.module.encode(part).latents for part in pictures.split(ENCODE_CHUNK)]
        return self.scale * torch.cat(parts).float()

    def draw(self, pictures: Tensor, generator: torch.Generator, together: int = 16) -> Tensor:
        """The same: it tells one answer, no distribution, and draws nothing."""
        return self.encoder.draw(pictures, generator, together) if self.encoder else self.mean(pictures)

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
