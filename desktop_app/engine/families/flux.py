"""FLUX.1 (Black Forest Labs 2024): CLIP and T5, a flow-matching transformer, a KL autoencoder of 16 channels."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from torch import Tensor, nn

from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.eight_bits import empty_denoiser
from desktop_app.engine.flow import PATCH
from desktop_app.engine.guidance import Predict
from desktop_app.engine.loading import Part, WeightReader, count_weights, read_json
from desktop_app.engine.lora_names import DENOISER, TEXT
from desktop_app.engine.parts.autoencoder import Autoencoder
from desktop_app.engine.parts.clip_text import ClipText
from desktop_app.engine.parts.t5_text import T5Text
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder
from desktop_app.engine.parts.tokens import Tokens
from desktop_app.engine.source import Source

MAX_TOKENS = 512
"""T5 reads so many, end marker included, as diffusers' pipeline lets it."""


@dataclass(frozen=True, slots=True)
class FluxTexts:
    """The prompt as both encoders read it. CLIP, which gives its gist alone, may have read less of it."""

    clip: Tokens
    t5: Tokens

    @property
    def notices(self) -> list[Message]:
        return [Message("prompt.cut", {"words": self.t5.words_cut})] if self.t5.words_cut else []


@dataclass(frozen=True, slots=True)
class FluxConditioning:
    """What the transformer is told, in its dtype."""

    pooled: Tensor
    """(1, width): the prompt as CLIP sums it up."""
    embeddings: Tensor
    """(1, :data:`MAX_TOKENS`, width): the prompt as T5 reads it."""


@dataclass
class Flux:
    """One loaded model, a :class:`desktop_app.engine.model.Model` for pictures; all its tensors live on ``device``.

    "dev" was distilled from guided predictions and is told the guidance scale; "schnell" knows none.
    """

    device: Device
    clip: ClipText
    t5: T5Text
    transformer: Any
    autoencoder: Autoencoder | TinyAutoencoder
    scheduler_config: dict[str, Any]
    decode_chunk: int = 1

    @classmethod
    def load(cls, folder: Path, device: Device, check: Callable[[], None]) -> Generator[Loading, None, Flux]:
        """Load the diffusers folder ``folder``; ``check`` may raise between tensors. Raises ``AppError``.

        CLIP and autoencoder leave float32 for float16 only, as everywhere; T5 is too large for that.
        """
        where = device.storage
        dtype = device.dtype if device.dtype == torch.float16 else torch.float32
        scheduler_config = read_json(folder, "scheduler/scheduler_config.json")
        part = Part(folder, "transformer", "diffusion_pytorch_model")
        source = Source(folder)
        clip, t5 = ClipText.empty(source), T5Text.empty(folder, "text_encoder_2", "tokenizer_2")
        transformer = empty_denoiser(part, FluxTransformer2DModel.from_config, device)
        autoencoder = Autoencoder.empty(source)
        if transformer.config.in_channels != PATCH**2 * autoencoder.channels:
            kind = f"transformer with {transformer.config.in_channels} inputs"
            raise AppError("model.family", model=folder.name, kind=kind)
        reader = WeightReader(count_weights([clip.part, t5.part, part, autoencoder.part]), check)
        yield from clip.fill(reader, where, dtype)
        yield from t5.fill(reader, where, device.dtype)
        yield from reader.fill(transformer, part, where, device.dtype, str)
        transformer.to(where)  # buffers, which are computed and not stored
        yield from autoencoder.fill(reader, where, dtype)
        return cls(device, clip, t5, transformer, autoencoder, scheduler_config)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.clip.encoder, self.t5.encoder, self.transformer, self.autoencoder.module)

    @property
    def adaptable(self) -> dict[str, nn.Module]:
        """What a LoRA may change."""
        return {DENOISER: self.transformer, TEXT: self.clip.encoder}

    @property
    def latent_shrink(self) -> int:
        return self.autoencoder.shrink

    def tokenize(self, request: GenerationRequest, form: str) -> FluxTexts:
        """The prompt; there is no negative one, as the guidance is learned."""
        return FluxTexts(self.clip.tokens(request.prompt), self.t5.tokens(request.prompt, MAX_TOKENS))

    def encode(self, texts: FluxTexts) -> FluxConditioning:
        dtype = self.device.dtype
        return FluxConditioning(self.clip.run(texts.clip).pooler_output.to(dtype), self.t5.embed(texts.t5).to(dtype))

    def window(self, wanted: int) -> None:
        """A picture is seen whole."""

    def predictor(
        self,
        conditioning: FluxConditioning,
        request: GenerationRequest,
        form: str,
        start: Tensor | None,
        generator: torch.Generator,
    ) -> Predict:
        """The velocity, one evaluation a step: the guidance scale is a condition like any other."""
        where, dtype = self.device.torch_device, self.device.dtype
        height, width = self.autoencoder.latent_size(*request.size)
        scale = torch.full([1], request.guidance_scale, device=where)
        told = {
            "guidance": scale if self.transformer.config.guidance_embeds else None,
            "pooled_projections": conditioning.pooled,
            "encoder_hidden_states": conditioning.embeddings,
            "txt_ids": torch.zeros(conditioning.embeddings.shape[1], 3, device=where, dtype=dtype),
            "img_ids": positions(height // PATCH, width // PATCH).to(where, dtype),
        }

        def predict(latents: Tensor, t: Tensor) -> Tensor:
            time = t.expand(1).to(where, dtype) / 1000
            said = self.transformer(pack(latents).to(dtype), timestep=time, **told, return_dict=False)[0]
            return unpack(said, height, width).float()

        return predict

    def noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        shape = (1, self.autoencoder.channels, *self.autoencoder.latent_size(*request.size))
        return torch.randn(shape, generator=generator).to(self.device.torch_device)

    start_noise = noise

    def encode_start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        return self.autoencoder.draw(start, generator)

    def encode_pictures(self, pictures: Tensor) -> Tensor:
        return self.autoencoder.mean(pictures)

    def tiles(self) -> AbstractContextManager[bool]:
        return self.autoencoder.tiles()

    def decode(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents / self.autoencoder.scale + self.autoencoder.shift)


def pack(latents: Tensor) -> Tensor:
    """(1, channels, height, width) as one token, (1, tokens, 4 · channels), for every square of 2 × 2 latent pixels."""
    rows = latents.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH))  # (1, channels, rows, 2, columns, 2)
    return rows.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """What :func:`pack` made of latents of ``height`` × ``width``, undone."""
    squares = tokens.unflatten(2, (-1, PATCH, PATCH)).unflatten(1, (height // PATCH, width // PATCH))
    return squares.permute(0, 3, 1, 4, 2, 5).reshape(1, -1, height, width)


def positions(rows: int, columns: int) -> Tensor:
    """(rows · columns, 3): for every token zero, its row and its column."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([torch.zeros_like(row), row, column], dim=-1).flatten(0, 1)
