"""AnimateDiff (Guo et al. 2023): a motion adapter lets a picture U-Net draw all frames of a film together."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.unets.unet_motion_model import MotionAdapter
from torch import Tensor

from desktop_app.core.events import Loading
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.loading import Part, WeightReader, build_empty, count_weights
from desktop_app.engine.parts.animated_unet import animated
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion


@dataclass
class AnimateDiff(LatentDiffusion):
    """A picture model and a motion adapter: a :class:`desktop_app.engine.model.Model` for films."""

    longest: int
    """Frames that the adapter can tell apart."""
    shared_noise: float = 0.0
    """Of the variance of the noise, common to all frames ("Preserve Your Own Correlation", Ge et al. 2023)."""
    decode_chunk = 8

    @classmethod
    def load(
        cls, pictures: LatentDiffusion, folder: Path, shared_noise: float, check: Callable[[], None]
    ) -> Generator[Loading, None, AnimateDiff]:
        """Load the adapter in the diffusers folder ``folder`` for ``pictures``, whose parts it shares.

        ``check`` may raise between tensors. Raises ``AppError``.
        """
        part = Part(folder.parent, folder.name, "diffusion_pytorch_model")
        adapter = build_empty(part, MotionAdapter.from_config)
        try:
            unet = animated(pictures.unet, adapter)
        except (ValueError, AttributeError) as problem:
            raise part.damaged("config.json", f"does not fit the model ({problem})") from problem
        reader = WeightReader(count_weights([part]), check)
        device = pictures.device
        yield from reader.fill(adapter, part, device.torch_device, device.dtype, str)
        adapter.to(device.torch_device)  # buffers, which are computed and not always stored
        longest = adapter.config.motion_max_seq_length
        return cls(device, pictures.text, unet, pictures.autoencoder, pictures.scheduler_config, longest, shared_noise)

    def evaluate(self, model_input: Tensor, t: Tensor, embeddings: Tensor) -> Tensor:
        return self.unet(model_input.to(self.device.dtype), t, embeddings).float()

    def window(self, wanted: int) -> int | None:
        return min(wanted, self.longest)

    def noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        shape = (1, self.autoencoder.channels, request.frames, *self.autoencoder.latent_size(*request.size))
        return self._shared(torch.randn(shape, generator=generator), generator)

    def start_noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        """Drawn frame by frame, unlike :meth:`noise`: diffusers' two pipelines differ in this."""
        shape = (1, request.frames, self.autoencoder.channels, *self.autoencoder.latent_size(*request.size))
        return self._shared(torch.randn(shape, generator=generator).transpose(1, 2), generator)

    def _shared(self, own: Tensor, generator: torch.Generator) -> Tensor:
        """Each frame's ``own`` noise, on the model's device, with the share that all have in common."""
        if self.shared_noise:
            common = torch.randn(own[:, :, :1].shape, generator=generator)
            own = self.shared_noise**0.5 * common + (1 - self.shared_noise) ** 0.5 * own
        return own.to(self.device.torch_device)

    def encode_start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        return self.autoencoder.draw(start, generator).transpose(0, 1)[None]

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode((1 / self.autoencoder.scale * latents)[0].transpose(0, 1))
