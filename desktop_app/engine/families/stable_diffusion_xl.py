"""Stable Diffusion XL (Podell et al. 2023): two CLIP text encoders, a larger U-Net that is told the picture's size."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from desktop_app.core.events import Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.guidance import Conditioning, Predict
from desktop_app.engine.parts.clip_readers import ClipReaders
from desktop_app.engine.parts.latent_pictures import LatentPictures
from desktop_app.engine.parts.told_sizes import load_told, predict_told


@dataclass
class StableDiffusionXL(LatentPictures[ClipReaders]):
    """One loaded model, a :class:`desktop_app.engine.model.Model` for pictures."""

    @classmethod
    def load(
        cls, model: Path, device: Device, check: Callable[[], None]
    ) -> Generator[Loading, None, StableDiffusionXL]:
        """See :data:`desktop_app.engine.families.Load`."""
        return (yield from load_told(cls, ClipReaders.pair, model, device, check))

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
