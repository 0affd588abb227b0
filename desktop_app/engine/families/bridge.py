"""Any model that draws or films from words, through diffusers' own pipeline, which has a sampling loop of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from desktop_app.checkpoints.pipelines import PipelineCall, read_call
from desktop_app.core.catalog import BridgeFacts
from desktop_app.core.events import Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.parts.latent_grid import encode_pictures, latent_channels
from desktop_app.engine.parts.pipeline_parts import load_pipeline
from desktop_app.engine.parts.tokens import NoTexts

CALLBACK = "callback_on_step_end"
"""What pipelines that hand their latents out after a step call the function that takes them."""
_BINNING = "use_resolution_binning"
"""Draws at another size than the one asked for, and shrinks or enlarges that."""


@dataclass
class Bridge:
    """One loaded pipeline of diffusers."""

    device: Device
    pipeline: Any
    call: PipelineCall

    @classmethod
    def load(cls, folder: Path, device: Device, check: Callable[[], None]) -> Generator[Loading, None, Bridge]:
        """Load the diffusers folder ``folder``; ``check`` may raise between parts. Raises ``AppError``."""
        pipeline, device = yield from load_pipeline(folder, device, check)
        call = read_call(type(pipeline).__name__)
        assert call is not None  # or it would have no facts, and nobody would load it
        return cls(device, pipeline, call)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return tuple(part for part in self.pipeline.components.values() if isinstance(part, nn.Module))

    @property
    def latent_channels(self) -> int | None:
        """Of the latents that can be shown; None where there is no preview."""
        return latent_channels(getattr(self.pipeline, "vae", None)) if CALLBACK in self.call.parameters else None

    def window(self, wanted: int) -> None:
        """A film is seen whole."""

    def tokenize(self, request: GenerationRequest, form: str) -> NoTexts:
        """The pipeline reads the texts itself."""
        return NoTexts()

    def encode(self, texts: NoTexts) -> None:
        """The pipeline encodes them itself."""

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Mean latents as :func:`desktop_app.engine.parts.latent_grid.encode_pictures` gives them, for the preview."""
        return encode_pictures(self.pipeline.vae, pictures, self.device.torch_device)

    def arguments(self, request: GenerationRequest, bridge: BridgeFacts) -> dict[str, Any]:
        """What ``request`` says in the words of the pipeline; what it has no word for is left out."""
        call = self.call
        named = {
            call.parameter("steps"): request.steps,
            call.parameter("guidance_scale", bridge.guidance): request.guidance_scale,
            call.parameter("negative_prompt"): request.negative_prompt or bridge.empty_negative or None,
            call.parameter("frames"): request.frames,
            call.parameter("fps"): request.fps,
        }
        given = {name: value for name, value in named.items() if name is not None and value is not None}
        exact = {_BINNING: False} if _BINNING in call.parameters else {}
        return {"prompt": request.prompt, "width": request.width, "height": request.height, **given, **exact}
