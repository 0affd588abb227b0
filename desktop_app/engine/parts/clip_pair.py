"""Two CLIP text encoders that read the same words (SDXL, Podell et al. 2023)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.clip.modeling_clip import CLIPTextModelWithProjection

from desktop_app.core.events import Loading
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.guidance import Conditioning
from desktop_app.engine.loading import Part, WeightReader, read_json
from desktop_app.engine.lora_names import TEXT, TEXT_2
from desktop_app.engine.parts.clip_text import ClipText, TokenisedTexts, Tokens
from desktop_app.engine.source import Source


@dataclass(frozen=True, slots=True)
class PairTexts:
    """What a request says, as each of the two reads it."""

    first: TokenisedTexts
    second: TokenisedTexts
    negative_is_empty: bool

    @property
    def notices(self) -> list[Message]:
        """What was left out of the texts; both encoders read as much."""
        return self.first.notices


@dataclass(frozen=True, slots=True)
class ClipPair:
    """Tokenizers and text encoders of one model; the second one also says one thing of the whole text."""

    first: ClipText
    second: ClipText
    zero_when_empty: bool
    """Whether the model was trained with zeros, not with the embeddings of an empty text, for want of a text."""

    @classmethod
    def empty(cls, source: Source) -> ClipPair:
        """That of ``source``, its weights still to be filled in. Raises ``AppError``."""
        zeros = read_json(source.folder, "model_index.json").get("force_zeros_for_empty_prompt", True)
        first = ClipText.empty(source)
        second = ClipText.called(source, "text_encoder_2", "tokenizer_2", CLIPTextModelWithProjection)
        return cls(first, second, bool(zeros))

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.first.part, self.second.part)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.first.encoder, self.second.encoder)

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        yield from self.first.fill(reader, where, dtype)
        yield from self.second.fill(reader, where, dtype)

    @property
    def widths(self) -> dict[str, int]:
        """Of the embeddings that a textual inversion for this model has."""
        return {TEXT: self.first.width, TEXT_2: self.second.width}

    def learn(self, vectors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Know these textual inversions and no others: for each name, the vectors of its parts of a model."""
        self.first.learn(vectors)
        self.second.learn({name: {TEXT: parts[TEXT_2]} for name, parts in vectors.items()})

    def tokenize(self, request: GenerationRequest, form: str) -> PairTexts:
        first, second = (text.tokenize(request, form) for text in (self.first, self.second))
        return PairTexts(first, second, not request.negative_prompt)

    def encode(self, texts: PairTexts, dtype: torch.dtype) -> tuple[Conditioning, Conditioning]:
        """Text and pooled embeddings as diffusers' ``encode_prompt`` makes them of a prompt, in ``dtype``."""
        skip = texts.first.clip_skip
        words, pooled = self._embed(texts.first.prompt, texts.second.prompt, skip, dtype)
        if texts.first.negative is None or texts.second.negative is None:
            return Conditioning(words, None), Conditioning(pooled, None)
        if texts.negative_is_empty and self.zero_when_empty:
            return Conditioning(words, torch.zeros_like(words)), Conditioning(pooled, torch.zeros_like(pooled))
        no_words, no_pooled = self._embed(texts.first.negative, texts.second.negative, skip, dtype)
        return Conditioning(words, no_words), Conditioning(pooled, no_pooled)

    def _embed(self, first: Tokens, second: Tokens, clip_skip: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A layer of both, side by side: (1, tokens, width); and (1, width) of the whole text, by its first chunk.

        SDXL was trained on the last layer but one, from which ``clip_skip``, 1 or more, is counted.
        """

        def layer(said: Any) -> Tensor:
            return said.hidden_states[-1 - clip_skip]

        options = {"output_hidden_states": True}
        one, other = self.first.run(first, **options), self.second.run(second, **options)
        words = [
            self.first.weighted(layer(one), first, layer, **options),
            self.second.weighted(layer(other), second, layer, **options),
        ]
        return torch.cat(words, dim=-1).to(dtype), other.text_embeds[:1].to(dtype)
