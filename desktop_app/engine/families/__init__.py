"""The verbs of each model family, under the keys of :data:`desktop_app.core.catalog.FAMILIES`."""

from __future__ import annotations

from desktop_app.engine.families.stable_diffusion import StableDiffusion

FAMILIES: dict[str, type[StableDiffusion]] = {
    "stable-diffusion": StableDiffusion,
}
