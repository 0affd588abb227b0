"""The refiner of Stable Diffusion XL (Podell et al. 2023, 2.5): taught the last fifth of the noise levels alone.

It reads by the larger text encoder, and is told how beautiful the picture is where the other is told its new size.
"""

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
from desktop_app.engine.parts.autoencoder import Autoencoder
from desktop_app.engine.parts.clip_readers import ClipReaders
from desktop_app.engine.parts.latent_pictures import LatentPictures
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder
from desktop_app.engine.parts.told_sizes import load_told, predict_told

AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE = 6.0, 2.5
"""Of 10, for the prompt and for the negative one: what diffusers' pipeline tells, and its authors used."""


@dataclass
class StableDiffusionXLRefiner(LatentPictures[ClipReaders]):
    """One loaded model, a :class:`desktop_app.engine.model.Model` for pictures."""

    @classmethod
    def load(
        cls,
        model: Path,
        device: Device,
        check: Callable[[], None],
        shared: Autoencoder | TinyAutoencoder | None = None,
    ) -> Generator[Loading, None, StableDiffusionXLRefiner]:
        """See :data:`desktop_app.engine.families.Load`; the autoencoder ``shared`` takes the place of its own."""
        return (yield from load_told(cls, ClipReaders.larger, model, device, check, shared))

    def predictor(
        self,
        conditioning: tuple[Conditioning, Conditioning],
        request: GenerationRequest,
        form: str,
        start: Tensor | None,
        generator: torch.Generator,
    ) -> Predict:
        """Told the picture as one that had this size (height, width), nothing cut away, and so beautiful."""
        told, other = (self._told(request, score) for score in (AESTHETIC_SCORE, NEGATIVE_AESTHETIC_SCORE))
        return predict_told(self.unet, self.device, conditioning, Conditioning(told, other), request, form)

    def _told(self, request: GenerationRequest, score: float) -> Tensor:
        numbers = [[request.height, request.width, 0, 0, score]]
        return torch.tensor(numbers, dtype=self.device.dtype, device=self.device.torch_device)
