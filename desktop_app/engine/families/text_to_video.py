"""Text to video (ModelScope, Wang et al. 2023): CLIP text encoder, 3-D U-Net, the autoencoder of Stable Diffusion."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
from torch import Tensor

from desktop_app.core.events import Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.parts.clip_text import ClipText
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion, load_parts
from desktop_app.engine.source import Source


@dataclass
class TextToVideo(LatentDiffusion[ClipText]):
    """One loaded model, a :class:`desktop_app.engine.model.Model` for films."""

    decode_chunk = 8

    @classmethod
    def load(cls, folder: Path, device: Device, check: Callable[[], None]) -> Generator[Loading, None, TextToVideo]:
        source = Source(folder)
        return (yield from load_parts(cls, ClipText.empty, UNet3DConditionModel.from_config, source, device, check))

    def window(self, wanted: int) -> None:
        """Convolutions and attention go over the film as a whole."""

    def noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        size = self.autoencoder.latent_size(*request.size)
        noise = torch.randn(1, self.autoencoder.channels, request.frames, *size, generator=generator)
        return noise.to(self.device.torch_device)

    def start_noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        """Drawn frame by frame, unlike :meth:`noise`: diffusers' two pipelines differ in this."""
        size = self.autoencoder.latent_size(*request.size)
        noise = torch.randn(request.frames, self.autoencoder.channels, *size, generator=generator)
        return noise.transpose(0, 1)[None].to(self.device.torch_device)

    def encode_start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        # In memory as diffusers has pictures and films: another order of the channels changes the last digits.
        start = start.clone(memory_format=torch.channels_last)
        latents = self.autoencoder.draw(start, generator, together=len(start))
        return latents.transpose(0, 1)[None].clone(memory_format=torch.channels_last_3d)

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(1 / self.autoencoder.scale * latents[0].transpose(0, 1))
