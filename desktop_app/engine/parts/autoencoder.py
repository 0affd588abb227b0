"""The KL autoencoder of latent diffusion (Rombach et al. 2022): pictures to latents and back, each frame by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor

from desktop_app.core.events import Loading
from desktop_app.engine.loading import Part, WeightReader, build_empty
from desktop_app.engine.offload import computes_on
from desktop_app.engine.source import Source

ENCODE_CHUNK = 8
"""Frames encoded together; each by itself, so the number shows in memory only."""
_OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """The autoencoder of one model. Latents are (n, channels, height / shrink, width / shrink), as the denoiser's."""

    part: Part
    module: Any
    channels: int
    shrink: int
    """Pixels per latent pixel, along each side."""
    scale: float
    """The denoiser works on the autoencoder's latents, less ``shift``, times this, of about unit variance."""
    shift: float
    """Mean of the autoencoder's latents; 0 where none is known."""

    @classmethod
    def empty(cls, source: Source) -> Autoencoder:
        """That of ``source``, its weights still to be filled in. Raises ``AppError``."""
        return cls.of(source.part("vae", "diffusion_pytorch_model"))

    @classmethod
    def of(cls, part: Part) -> Autoencoder:
        """That in ``part``, its weights still to be filled in. Raises ``AppError``."""
        module = build_empty(part, AutoencoderKL.from_config)
        config = module.config
        shrink = 2 ** (len(config.block_out_channels) - 1)
        return cls(part, module, config.latent_channels, shrink, config.scaling_factor, config.shift_factor or 0.0)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.part,)

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        yield from reader.fill(self.module, self.part, where, dtype, _today)
        self.module.to(where)  # buffers, which are computed and not stored

    def latent_size(self, width: int, height: int) -> tuple[int, int]:
        """(height, width) of the latents of a picture of ``width`` × ``height`` px."""
        return (height // self.shrink, width // self.shrink)

    @torch.inference_mode()
    def mean(self, pictures: Tensor) -> Tensor:
        """Mean latents of ``pictures``, (n, 3, height, width) in [-1, 1]."""
        return (self._distribution(pictures).mean.float() - self.shift) * self.scale

    @torch.inference_mode()
    def draw(self, pictures: Tensor, generator: torch.Generator, together: int = 16) -> Tensor:
        """Latents drawn from what the autoencoder says of ``pictures``, (n, 3, height, width) in [-1, 1].

        ``together`` of them are drawn at once, which shows where a frame's latents are not a multiple of 16 numbers:
        torch's generator draws in sixteens.
        """
        moments = self._distribution(pictures).parameters
        drawn = [DiagonalGaussianDistribution(part).sample(generator) for part in moments.split(together)]
        return self.scale * (torch.cat(drawn).float() - self.shift)

    def _distribution(self, pictures: Tensor) -> DiagonalGaussianDistribution:
        pictures = pictures.to(computes_on(self.module), self.module.dtype)
        moments = [self.module.encode(part).latent_dist.parameters for part in pictures.split(ENCODE_CHUNK)]
        return DiagonalGaussianDistribution(torch.cat(moments))

    @contextmanager
    def tiles(self) -> Iterator[bool]:
        """While it is entered, :meth:`decode` works as diffusers' ``tiled_decode`` does. Gives True: it can."""
        self.module.enable_tiling()
        try:
            yield True
        finally:
            self.module.disable_tiling()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (n, height, width, 3), uint8 on the CPU, of ``latents`` without scale and shift.

        Raises ``ArithmeticError`` when they are not finite. An autoencoder that overflows in float16 is moved to
        float32 for good.
        """
        pixels = self.module.decode(latents.to(self.module.dtype), return_dict=False)[0]
        if pixels.dtype == torch.float16 and not pixels.isfinite().all():
            self.module.float()
            pixels = self.module.decode(latents.float(), return_dict=False)[0]
        return to_pixels(pixels)


def to_pixels(pictures: Tensor) -> Tensor:
    """``pictures``, (n, 3, height, width) in [-1, 1], as (n, height, width, 3) uint8 on the CPU.

    Raises ``ArithmeticError`` when they are not finite.
    """
    if not pictures.isfinite().all():
        raise ArithmeticError("the decoded picture is not finite")
    pictures = (pictures / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().cpu()
    return (pictures * 255).round().to(torch.uint8)


def _today(name: str) -> str:
    """diffusers renamed the attention of the autoencoder; most files of Stable Diffusion 1 have the old names."""
    if ".attentions." in name:
        for old, new in _OLD_ATTENTION.items():
            name = name.replace(old, new)
    return name
