"""CLIP text encoders that read the same words (SDXL, Podell et al. 2023): two of them, or the larger one alone."""

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
class ReadTexts:
    """What a request says, as each encoder reads it."""

    each: tuple[TokenisedTexts, ...]
    negative_is_empty: bool

    @property
    def notices(self) -> list[Message]:
        """What was left out of the texts; all encoders read as much."""
        return self.each[0].notices


@dataclass(frozen=True, slots=True)
class ClipReaders:
    """Tokenizers and text encoders of one model; the last one also says one thing of the whole text."""

    readers: Mapping[str, ClipText]
    """By the part of a model that each is: see :mod:`desktop_app.engine.lora_names`."""
    zero_when_empty: bool
    """Whether the model was trained with zeros, not with the embeddings of an empty text, for want of a text."""

    @classmethod
    def pair(cls, source: Source) -> ClipReaders:
        """Both of ``source``, their weights still to be filled in. Raises ``AppError``."""
        return cls({TEXT: ClipText.empty(source), TEXT_2: _larger(source)}, _zeros(source))

    @classmethod
    def larger(cls, source: Source) -> ClipReaders:
        """The larger one of ``source`` alone, its weights still to be filled in. Raises ``AppError``."""
        return cls({TEXT_2: _larger(source)}, _zeros(source))

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(reader.part for reader in self.readers.values())

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return tuple(reader.encoder for reader in self.readers.values())

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        for text in self.readers.values():
            yield from text.fill(reader, where, dtype)

    @property
    def widths(self) -> dict[str, int]:
        """Of the embeddings that a textual inversion for this model has."""
        return {part: reader.width for part, reader in self.readers.items()}

    def learn(self, vectors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Know these textual inversions and no others: for each name, the vectors of its parts of a model."""
        for part, reader in self.readers.items():
            reader.learn({name: {TEXT: parts[part]} for name, parts in vectors.items()})

    def tokenize(self, request: GenerationRequest, form: str) -> ReadTexts:
        texts = tuple(reader.tokenize(request, form) for reader in self.readers.values())
        return ReadTexts(texts, not request.negative_prompt)

    def encode(self, texts: ReadTexts, dtype: torch.dtype) -> tuple[Conditioning, Conditioning]:
        """Text and pooled embeddings as diffusers' ``encode_prompt`` makes them of a prompt, in ``dtype``."""
        skip = texts.each[0].clip_skip
        words, pooled = self._embed([text.prompt for text in texts.each], skip, dtype)
        negatives = [text.negative for text in texts.each if text.negative is not None]
        if not negatives:
            return Conditioning(words, None), Conditioning(pooled, None)
        if texts.negative_is_empty and self.zero_when_empty:
            return Conditioning(words, torch.zeros_like(words)), Conditioning(pooled, torch.zeros_like(pooled))
        no_words, no_pooled = self._embed(negatives, skip, dtype)
        return Conditioning(words, no_words), Conditioning(pooled, no_pooled)

    def _embed(self, texts: list[Tokens], clip_skip: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """A layer of each, side by side: (1, tokens, width); and (1, width) of the whole text, by its first chunk.

        SDXL was trained on the last layer but one, from which ``clip_skip``, 1 or more, is counted.
        """

        def layer(said: Any) -> Tensor:
            return said.hidden_states[-1 - clip_skip]

        options = {"output_hidden_states": True}
        readers = list(zip(self.readers.values(), texts, strict=True))
        said = [reader.run(text, **options) for reader, text in readers]
        words = [
            reader.weighted(layer(one), text, layer, **options)
            for (reader, text), one in zip(readers, said, strict=True)
        ]
        return torch.cat(words, dim=-1).to(dtype), said[-1].text_embeds[:1].to(dtype)


def _larger(source: Source) -> ClipText:
    return ClipText.called(source, "text_encoder_2", "tokenizer_2", CLIPTextModelWithProjection)


def _zeros(source: Source) -> bool:
    return bool(read_json(source.folder, "model_index.json").get("force_zeros_for_empty_prompt", True))
