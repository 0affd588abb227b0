"""Stable Diffusion 1 and 2 (Rombach et al. 2022): CLIP text encoder, U-Net, KL autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from desktop_app.core.events import Loading
from desktop_app.engine.device import Device
from desktop_app.engine.parts.clip_text import ClipText
from desktop_app.engine.parts.latent_diffusion import load_parts
from desktop_app.engine.parts.latent_pictures import LatentPictures
from desktop_app.engine.source import find_source


@dataclass
class StableDiffusion(LatentPictures[ClipText]):
    """One loaded model, a :class:`desktop_app.engine.model.Model` for pictures."""

    @classmethod
    def load(cls, model: Path, device: Device, check: Callable[[], None]) -> Generator[Loading, None, StableDiffusion]:
        source = find_source(model)
        return (yield from load_parts(cls, ClipText.empty, UNet2DConditionModel.from_config, source, device, check))
