"""The verbs of each model family, under the keys of :data:`desktop_app.core.catalog.FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

from desktop_app.core.catalog import BRIDGED
from desktop_app.core.events import Loading
from desktop_app.engine.device import Device
from desktop_app.engine.families.bridge import Bridge
from desktop_app.engine.families.flux import Flux
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.families.stable_diffusion_xl import StableDiffusionXL
from desktop_app.engine.families.stable_diffusion_xl_refiner import StableDiffusionXLRefiner
from desktop_app.engine.families.stable_video_diffusion import StableVideoDiffusion
from desktop_app.engine.families.text_to_video import TextToVideo
from desktop_app.engine.model import Model

Loaded = Model | Bridge
Load = Callable[[Path, Device, Callable[[], None]], Generator[Loading, None, Loaded]]
"""Loads the diffusers folder at a path onto a device. The function may raise between tensors; raises ``AppError``."""

FAMILIES: dict[str, Load] = {
    "stable-diffusion": StableDiffusion.load,
    "stable-diffusion-xl": StableDiffusionXL.load,
    "stable-diffusion-xl-refiner": StableDiffusionXLRefiner.load,
    "stable-video-diffusion": StableVideoDiffusion.load,
    "text-to-video": TextToVideo.load,
    "flux-schnell": Flux.load,
    "flux": Flux.load,
    **dict.fromkeys(BRIDGED, Bridge.load),
}
"""How each is loaded. Motion adapters, which need a picture model first, are loaded by the shelf."""
