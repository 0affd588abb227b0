"""Stable Diffusion XL (Podell et al. 2023): two CLIP text encoders, a larger U-Net that is told the picture's size."""

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
from desktop_app.engine.guidance import Conditioning, Predict
from desktop_app.engine.parts.clip_readers import ClipReaders
from desktop_app.engine.parts.latent_diffusion import load_parts
from desktop_app.engine.parts.latent_pictures import LatentPictures
from desktop_app.engine.parts.told_sizes import predict_told
from desktop_app.engine.source import find_source


@dataclass
class StableDiffusionXL(LatentPictures[ClipReaders]):
    """One loaded model, a :class:`desktop_app.engine.model.Model` for pictures."""

    @classmethod
    def load(
        cls, model: Path, device: Device, check: Callable[[], None]
    ) -> Generator[Loading, None, StableDiffusionXL]:
        """See :data:`desktop_app.engine.model.Load`. The published autoencoder's numbers are too large for float16."""
        source, build = find_source(model), UNet2DConditionModel.from_config
        loaded = yield from load_parts(cls, ClipReaders.pair, build, source, device, check)
        if loaded.autoencoder.module.config.force_upcast:
            loaded.autoencoder.module.float()
        return loaded

    def predictor(
        self,
        conditioning: tuple[Conditioning, Conditioning],
        request: GenerationRequest,
        form: str,
        start: Tensor | None,
        generator: torch.Generator,
    ) -> Predict:
        """Told the picture as one that had this size (height, width), nothing cut away, and is to have it."""
        size = (request.height, request.width)
        told = torch.tensor([[*size, 0, 0, *size]], dtype=self.device.dtype, device=self.device.torch_device)
        return predict_told(self.unet, self.device, conditioning, Conditioning(told, told), request, form)
