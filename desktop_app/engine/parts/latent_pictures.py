"""Latent diffusion of single pictures: what Stable Diffusion 1, 2 and XL have in common."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from desktop_app.core.request import GenerationRequest
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion, T


@dataclass
class LatentPictures(LatentDiffusion[T]):
    """One loaded model; latents are (1, channels, height, width)."""

    decode_chunk = 1

    def window(self, wanted: int) -> int | None:
        """A picture is seen whole."""
        return None

    def noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        shape = (1, self.autoencoder.channels, *self.autoencoder.latent_size(*request.size))
        return torch.randn(shape, generator=generator).to(self.device.torch_device)

    start_noise = noise

    def encode_start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        return self.autoencoder.draw(start, generator)

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents / self.autoencoder.scale)
