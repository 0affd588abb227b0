"""The text half of models that are told by CLIP's text encoder (Radford et al. 2021) what to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from desktop_app.core.events import Loading
from desktop_app.core.guidance_form import NONE
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.guidance import Conditioning
from desktop_app.engine.loading import Part, WeightReader, build_empty
from desktop_app.engine.lora_names import TEXT
from desktop_app.engine.offload import computes_on
from desktop_app.engine.parts.tokens import Tokens, joined, lengthened, read_prompt, read_tokens
from desktop_app.engine.parts.weighting import weigh
from desktop_app.engine.source import Source


@dataclass(frozen=True, slots=True)
class TokenisedTexts:
    """What a request says; ``negative`` is None where guidance is off."""

    prompt: Tokens
    negative: Tokens | None
    clip_skip: int = 1
    """The layer of the text encoder that is listened to, counted from its last one, 1."""

    @property
    def notices(self) -> list[Message]:
        """What was left out of the texts."""
        texts = (("prompt.cut", self.prompt), ("negative-prompt.cut", self.negative))
        return [Message(id, {"words": tokens.words_cut}) for id, tokens in texts if tokens and tokens.words_cut]


@dataclass(frozen=True, slots=True)
class ClipText:
    """Tokenizer and text encoder of one model."""

    part: Part
    tokenizer: CLIPTokenizer
    encoder: nn.Module
    masks_padding: bool
    """Whether the text encoder hides padding from itself; that of Stable Diffusion does not."""
    max_tokens: int
    """The text encoder reads so many, start and end marker included."""
    learned: dict[str, Tensor] = field(default_factory=dict)
    """Vectors, (tokens, width), of the textual inversions that prompts may name, in lower case."""

    @classmethod
    def empty(cls, source: Source) -> ClipText:
        """That of ``source``, its weights still to be filled in. Raises ``AppError``."""
        return cls.called(source, "text_encoder", "tokenizer", CLIPTextModel)

    @classmethod
    def called(cls, source: Source, name: str, tokenizer_name: str, model: Callable[[CLIPTextConfig], Any]) -> ClipText:
        """The text encoder and the tokenizer of these names, the first a ``model`` of transformers."""
        part = source.part(name, "model")
        encoder: Any = build_empty(part, lambda config: model(CLIPTextConfig.from_dict(config)))
        tokenizer = source.tokenizer(tokenizer_name, encoder.config.vocab_size)
        masks_padding = getattr(encoder.config, "use_attention_mask", False)
        max_tokens = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
        return cls(part, tokenizer, encoder, masks_padding, max_tokens)

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.part,)

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.encoder,)

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        inner = "text_model." if hasattr(self.encoder, "text_model") else ""
        yield from reader.fill(self.encoder, self.part, where, dtype, lambda name: _today(name, inner))
        self.encoder.to(where)  # buffers, which are computed and not stored

    def tokenize(self, request: GenerationRequest, form: str, prompts: Sequence[str] = ()) -> TokenisedTexts:
        """The texts of ``request``; the negative one counts only where the guidance ``form`` uses it.

        ``prompts``, if there are any, take the place of its prompt. All get as many chunks as the longest.
        """
        texts = [*(prompts or [request.prompt]), *([] if form == NONE else [request.negative_prompt])]
        read = [read_prompt(self.tokenizer, text, self.max_tokens, request.dialect, self.learned) for text in texts]
        chunks = max(tokens.chunks for tokens in read)
        read = [lengthened(tokens, self.tokens(""), chunks) for tokens in read]
        negative = None if form == NONE else read.pop()
        return TokenisedTexts(joined(read), negative, request.clip_skip)

    @property
    def width(self) -> int:
        """Of its embeddings."""
        return self._table.embedding_dim

    @property
    def widths(self) -> dict[str, int]:
        """Of the embeddings that a textual inversion for this model has, by part."""
        return {TEXT: self.width}

    @property
    def _table(self) -> nn.Embedding:
        encoder: Any = self.encoder
        return encoder.get_input_embeddings()

    def learn(self, vectors: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Know these textual inversions and no others: for each name, the vectors of its parts of a model."""
        self.learned.clear()
        self.learned.update({name: parts[TEXT] for name, parts in vectors.items()})

    def tokens(self, text: str) -> Tokens:
        """Token ids of ``text``, cut at the encoder's limit. Markers such as "<|endoftext|>" are read as text."""
        return read_tokens(self.tokenizer, text, self.max_tokens, markers=2)

    @torch.inference_mode()
    def encode(self, texts: TokenisedTexts, dtype: torch.dtype) -> Conditioning:
        """Text embeddings as diffusers' ``encode_prompt`` makes them of a prompt, in ``dtype``.

        Layers are skipped for both texts alike, as where models learn with it; diffusers skips for the prompt only.
        """
        negative = self._embed(texts.negative, texts.clip_skip).to(dtype) if texts.negative else None
        return Conditioning(self._embed(texts.prompt, texts.clip_skip).to(dtype), negative)

    def _embed(self, tokens: Tokens, clip_skip: int) -> Tensor:
        """(texts, tokens, width), the chunks of a text one after another."""

        def layer(said: Any) -> Tensor:
            encoder: Any = self.encoder
            return said[0] if clip_skip == 1 else encoder.final_layer_norm(said.hidden_states[-clip_skip])

        options = {} if clip_skip == 1 else {"output_hidden_states": True}
        return self.weighted(layer(self.run(tokens, **options)), tokens, layer, **options)

    def weighted(self, embeddings: Tensor, tokens: Tokens, layer: Callable[[Any], Tensor], **options: Any) -> Tensor:
        """``embeddings``, what :meth:`run` says of ``tokens`` in ``layer``: weighted, and (texts, tokens, width)."""

        def encode(others: Tokens, seen: Tensor | None) -> Tensor:
            return layer(self.run(others, seen, **options))

        weighted = weigh(embeddings, tokens, self.tokens(""), encode)
        return weighted.unflatten(0, (-1, tokens.chunks)).flatten(1, 2)

    @torch.inference_mode()
    def run(self, tokens: Tokens, seen: Tensor | None = None, **options: Any) -> Any:
        """What the text encoder says of each row of ``tokens``; ``options`` are its own.

        ``seen``, (rows, tokens), is False where it must not look.
        """
        where = computes_on(self.encoder)
        mask = tokens.mask if self.masks_padding else None
        if seen is not None:
            mask = seen.long() if mask is None else mask * seen
        with _placed(self._table, tokens):
            return self.encoder(
                tokens.ids.to(where), attention_mask=None if mask is None else mask.to(where), **options
            )


@contextmanager
def _placed(table: nn.Embedding, tokens: Tokens) -> Iterator[None]:
    """Inside, ``table`` embeds the tokens of textual inversions as they were learned."""

    def place(_table: nn.Module, _ids: Any, embedded: Tensor) -> Tensor:
        embedded = embedded.clone()
        for row, column, vector in tokens.learned:
            embedded[row, column] = vector.to(embedded)
        return embedded

    handle = table.register_forward_hook(place) if tokens.learned else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def _today(name: str, inner: str) -> str:
    """transformers 5 keeps the prefix ``inner`` only where a projection stands beside it; earlier files always do."""
    name = name.removeprefix("text_model.")
    return name if name.startswith("text_projection.") else inner + name
