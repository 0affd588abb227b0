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
from desktop_app.engine.guidance import Conditioning, Predict, guided
from desktop_app.engine.parts.clip_pair import ClipPair
from desktop_app.engine.parts.latent_diffusion import load_parts
from desktop_app.engine.parts.latent_pictures import LatentPictures
from desktop_app.engine.source import find_source


@dataclass
class StableDiffusionXL(LatentPictures[ClipPair]):
    """One loaded model, a :class:`desktop_app.engine.model.Model` for pictures."""

    @classmethod
    def load(
        cls, model: Path, device: Device, check: Callable[[], None]
    ) -> Generator[Loading, None, StableDiffusionXL]:
        """See :data:`desktop_app.engine.model.Load`. The published autoencoder's numbers are too large for float16."""
        source, build = find_source(model), UNet2DConditionModel.from_config
        loaded = yield from load_parts(cls, ClipPair.empty, build, source, device, check)
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
        words, pooled = conditioning
        size_ids = self._size_ids(request)

        def evaluate(model_input: Tensor, t: Tensor, embeddings: Tensor, whole: Tensor) -> Tensor:
            added = {"text_embeds": whole, "time_ids": size_ids.expand(len(whole), -1)}
            model_input = model_input.to(self.device.dtype)
            return self.unet(model_input, t, embeddings, added_cond_kwargs=added, return_dict=False)[0].float()

        return guided(evaluate, words, request.guidance_scale, form, pooled)

    def _size_ids(self, request: GenerationRequest) -> Tensor:
        """(1, 6): the picture as one that had this size (height, width), nothing cut away, and is to have it."""
        size = (request.height, request.width)
        return torch.tensor([[*size, 0, 0, *size]], dtype=self.device.dtype, device=self.device.torch_device)
