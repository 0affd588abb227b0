"""The encoder half of T5 (Raffel et al. 2020), which tells large flow-matching models what to draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.t5.configuration_t5 import T5Config
from transformers.models.t5.modeling_t5 import T5EncoderModel
from transformers.models.t5.tokenization_t5 import T5Tokenizer

from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.engine.loading import Part, WeightReader, build_empty
from desktop_app.engine.offload import computes_on
from desktop_app.engine.parts.tokens import Tokens, read_tokens


@dataclass(frozen=True, slots=True)
class T5Text:
    """Tokenizer and text encoder of one model."""

    part: Part
    tokenizer: T5Tokenizer
    encoder: nn.Module

    @classmethod
    def empty(cls, folder: Path, encoder: str, tokenizer: str) -> T5Text:
        """That in two sub-folders of ``folder``, its weights still to be filled in. Raises ``AppError``."""
        part = Part(folder, encoder, "model")
        # The embedding table of the whole model and that of its encoder are one; the encoder alone has it once.
        module: Any = build_empty(part, lambda config: T5EncoderModel(T5Config.from_dict(config)).encoder)
        return cls(part, _load_tokenizer(folder, tokenizer, module.config.vocab_size), module)

    def fill(self, reader: WeightReader, where: torch.device, dtype: torch.dtype) -> Iterator[Loading]:
        """Read the weights. Raises ``AppError``."""
        yield from reader.fill(self.encoder, self.part, where, dtype, _in_encoder)
        self.encoder.to(where)

    def tokens(self, text: str, max_tokens: int) -> Tokens:
        """Token ids of ``text``, padded or cut to ``max_tokens``."""
        return read_tokens(self.tokenizer, text, max_tokens, markers=1)

    @torch.inference_mode()
    def embed(self, tokens: Tokens) -> Tensor:
        """(texts, tokens, width): what the encoder says, padding included, as diffusers' pipelines ask it."""
        where = computes_on(self.encoder)
        return self.encoder(tokens.ids.to(where)).last_hidden_state


def _load_tokenizer(folder: Path, name: str, vocabulary_size: int) -> T5Tokenizer:
    """The tokenizer in ``folder / name``. Raises ``AppError``.

    From ``tokenizer.json`` alone: without it transformers would want the package sentencepiece, or make up a tokenizer.
    Encoders have a few rows more than the tokenizer has tokens.
    """
    file = f"{name}/tokenizer.json"
    if not (folder / file).is_file():
        raise AppError("model.missing-file", model=folder.name, file=file)
    try:
        tokenizer = T5Tokenizer.from_pretrained(folder / name, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise AppError("model.damaged", model=folder.name, file=file, reason=f"cannot be used ({problem})") from problem
    if not 3 < len(tokenizer) <= vocabulary_size:
        reason = f"has {len(tokenizer)} tokens where the text encoder expects {vocabulary_size}"
        raise AppError("model.damaged", model=folder.name, file=file, reason=reason)
    return tokenizer


def _in_encoder(name: str) -> str:
    """The name within the encoder of a tensor of the whole model."""
    return "embed_tokens.weight" if name == "shared.weight" else name.removeprefix("encoder.")
