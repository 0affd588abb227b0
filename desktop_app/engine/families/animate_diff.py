"""AnimateDiff (Guo et al. 2023): a motion adapter lets a picture U-Net draw all frames of a film together."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers.models.unets.unet_motion_model import MotionAdapter
from torch import Tensor, nn

from desktop_app.checkpoints.lone_parts import motion_config
from desktop_app.checkpoints.original_names import motion_module
from desktop_app.core.catalog import FilmFacts
from desktop_app.core.events import Loading
from desktop_app.core.request import EXTEND, GenerationRequest
from desktop_app.engine.guidance import Conditioning, Predict, guided
from desktop_app.engine.loading import Part, WeightReader, build_empty, count_weights
from desktop_app.engine.lora_names import DENOISER
from desktop_app.engine.parts.animated_unet import animated
from desktop_app.engine.parts.clip_text import ClipText, TokenisedTexts
from desktop_app.engine.parts.latent_diffusion import LatentDiffusion
from desktop_app.engine.windows import windowed


@dataclass
class AnimateDiff(LatentDiffusion[ClipText]):
    """A picture model and a motion adapter: a :class:`desktop_app.engine.model.Model` for films."""

    longest: int
    """Frames that the adapter can tell apart."""
    film: FilmFacts
    """How it makes films: among other things the variance of the noise that all frames share ("Preserve Your Own
    Correlation", Ge et al. 2023), and what the prompt says of each moment."""
    pictures: nn.Module
    """The U-Net that draws pictures, whose layers draw the frames as well."""
    decode_chunk = 8

    @classmethod
    def load(
        cls, pictures: LatentDiffusion[ClipText], path: Path, film: FilmFacts, check: Callable[[], None]
    ) -> Generator[Loading, None, AnimateDiff]:
        """Load the adapter at ``path``, a diffusers folder or a file, for ``pictures``, whose parts it shares.

        ``film`` says how the model makes films with it. ``check`` may raise between tensors. Raises ``AppError``.
        """
        part, adapter = empty_adapter(path)
        try:
            unet = animated(pictures.unet, adapter)
        except (ValueError, AttributeError) as problem:
            file = path.name if path.is_file() else "config.json"
            raise part.damaged(file, f"does not fit the model ({problem})") from problem
        reader = WeightReader(count_weights([part]), check)
        device = pictures.device
        yield from reader.fill(adapter, part, device.torch_device, device.dtype, str)
        adapter.to(device.torch_device)  # buffers, which are computed and not always stored
        longest = adapter.config.motion_max_seq_length
        shared = (device, pictures.text, unet, pictures.autoencoder, pictures.scheduler_config)
        return cls(*shared, longest, film, pictures.unet)

    @property
    def adaptable(self) -> dict[str, nn.Module]:
        """LoRAs are made for the layers of the picture U-Net, by its names."""
        return {**super().adaptable, DENOISER: self.pictures}

    def tokenize(self, request: GenerationRequest, form: str) -> TokenisedTexts:
        """An empty prompt says nothing of moments either."""
        prompts = moment_prompts(self.film, request.prompt) if request.prompt.strip() else ()
        return self.text.tokenize(request, form, prompts)

    def predictor(
        self,
        conditioning: Conditioning,
        request: GenerationRequest,
        form: str,
        start: Tensor | None,
        generator: torch.Generator,
    ) -> Predict:
        """In overlapping windows where a film is longer than one. A film that goes on from another never loops."""
        loop = request.loop and request.start_use != EXTEND
        words = conditioning.positive
        if len(words) > 1:
            words = along(words, request.frames, loop=loop)

        def of_frames(numbers: list[int]) -> Predict:
            seen = replace(conditioning, positive=words if len(words) == 1 else words[numbers])
            return guided(self.evaluate, seen, request.guidance_scale, form)

        return windowed(of_frames, request.frames, min(self.film.window, self.longest), loop=loop)

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
        if shared := self.film.shared_noise:
            common = torch.randn(own[:, :, :1].shape, generator=generator)
            own = shared**0.5 * common + (1 - shared) ** 0.5 * own
        return own.to(self.device.torch_device)

    def encode_start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        return self.autoencoder.draw(start, generator).transpose(0, 1)[None]

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode((1 / self.autoencoder.scale * latents)[0].transpose(0, 1))


def empty_adapter(path: Path) -> tuple[Part, Any]:
    """The adapter at ``path``, a diffusers folder or a file, its weights still to be filled in. Raises ``AppError``."""
    if path.is_dir():
        part = Part(path.parent, path.name, "diffusion_pytorch_model")
        return part, build_empty(part, MotionAdapter.from_config)
    with init_empty_weights(include_buffers=False):
        adapter = MotionAdapter(**motion_config(path)).eval().requires_grad_(False)
    return Part(path.parent, path.stem, "", path, motion_module), adapter


def moment_prompts(film: FilmFacts, prompt: str) -> list[str]:
    """The prompt of each moment of a film; none where all frames have ``prompt`` itself."""
    if not film.moment_prompt:
        return []
    numbers = range(1, film.moments + 1)
    return [film.moment_prompt.replace("{moment}", str(moment)).replace("{prompt}", prompt) for moment in numbers]


def along(moments: Tensor, frames: int, *, loop: bool) -> Tensor:
    """Text embeddings of every frame, (frames, tokens, width), from those of the moments, (moments, tokens, width).

    Frames between two moments have both in proportion. A ``loop`` goes to the last moment and back.
    """
    share = torch.arange(frames) / (frames if loop else max(1, frames - 1))
    if loop:
        share = 1 - (2 * share - 1).abs()
    place = (share * (len(moments) - 1)).to(moments.device)
    before = place.floor().long()
    after = place.ceil().long()
    return torch.lerp(moments[before], moments[after], (place - before).to(moments.dtype).view(-1, 1, 1))
