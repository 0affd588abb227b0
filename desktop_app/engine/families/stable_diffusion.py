"""Stable Diffusion 1 and 2 (Rombach et al. 2022): CLIP text encoder, U-Net, KL autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from desktop_app.core.events import Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion, load_parts


@dataclass
class StableDiffusion(LatentDiffusion):
    """One loaded model, a :class:`desktop_app.engine.model.Model` for pictures."""

    decode_chunk = 1

    @classmethod
    def load(cls, folder: Path, device: Device, check: Callable[[], None]) -> Generator[Loading, None, StableDiffusion]:
        return (yield from load_parts(cls, UNet2DConditionModel.from_config, folder, device, check))

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
