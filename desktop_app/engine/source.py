"""Where a model comes from: a diffusers folder, or a single file and our own folder that says how to build it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.models.clip.tokenization_clip import CLIPTokenizer

from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.single_file import configuration, part_file, part_places, usable
from desktop_app.core.paths import architectures_dir
from desktop_app.engine.loading import Part, load_tokenizer, read_json


@dataclass(frozen=True, slots=True)
class Source:
    """``folder`` is a diffusers folder; where ``single`` is given it holds no weights, and that file does."""

    folder: Path
    single: Identity | None = None

    @property
    def name(self) -> str:
        """What people call the model."""
        return (self.single.path if self.single else self.folder).name

    def part(self, name: str, base: str) -> Part:
        """The part in sub-folder ``name``, whose weight files have the stem ``base``. Raises ``AppError``."""
        part = Part(self.folder, name, base)
        if self.single is None:
            return part
        places = part_places(self.single, name, part.config())
        return Part(self.folder, name, base, part_file(self.single, name), places)

    def tokenizer(self, name: str, vocabulary_size: int) -> CLIPTokenizer:
        """The tokenizer in sub-folder ``name``. Raises ``AppError``.

        Single files bring none; the one that serves them all differs in the token that it pads with.
        """
        if self.single is None:
            return load_tokenizer(self.folder, name, vocabulary_size)
        pad = read_json(self.folder, f"{name}/tokenizer_config.json")["pad_token"]
        return load_tokenizer(architectures_dir(), "tokenizer", vocabulary_size, pad_token=pad)

    def scheduler_config(self) -> dict[str, Any]:
        """Of the model's own scheduler; a single file may say what its model predicts. Raises ``AppError``."""
        config = read_json(self.folder, "scheduler/scheduler_config.json")
        if self.single is not None and self.single.prediction:
            config["prediction_type"] = self.single.prediction
        return config


def find_source(model: Path) -> Source:
    """The source of the model at ``model``, a diffusers folder or a single file. Raises ``AppError``."""
    if not model.is_file():
        return Source(model)
    identity = usable(model)
    return Source(configuration(identity), identity)
