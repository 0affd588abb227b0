"""Textual inversions (Gal et al. 2022) from their files: vectors that stand in a text encoder's input for a name.

Automatic1111's files hold ``string_to_param`` (pickled) or ``emb_params``, diffusers' one tensor under the token's name
or none, and those for SDXL ``clip_l`` and ``clip_g``, one for each text encoder. All of them may be pickled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from desktop_app.checkpoints.consent import Trusts, nobody_agreed
from desktop_app.checkpoints.embeddings import find_embeddings
from desktop_app.core.catalog import PLAIN
from desktop_app.core.messages import Message
from desktop_app.engine.loading import Part, read_tensor, stored_tensors
from desktop_app.engine.lora_names import TEXT, TEXT_2
from desktop_app.prompt.learned import learned_in
from desktop_app.prompt.reading import Reading

_PAIR = {"clip_l": TEXT, "clip_g": TEXT_2}


@dataclass(slots=True)
class Learned:
    """What the texts of a request name."""

    vectors: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """By name in lower case and part of the model: (tokens, width)."""
    files: list[Path] = field(default_factory=list)
    """Where they are from."""
    notices: list[Message] = field(default_factory=list)
    """Why a name is read as a word."""


def learned_in_texts(
    reading: Reading, widths: Mapping[str, int], files: Iterable[Path], trusts: Trusts = nobody_agreed
) -> Learned:
    """The textual inversions among ``files`` that are named and that fit text encoders of these ``widths``, by part.

    ``trusts`` says of which pickled files the weights may be read. Raises ``AppError`` for a file that is damaged.
    """
    learned = Learned()
    dialect = reading.stages[0][1].dialect
    if dialect == PLAIN:
        return learned
    text = "\n".join(f"{request.prompt}\n{request.negative_prompt}" for _, request in reading.stages)
    found = find_embeddings(text, files)
    for name in sorted({name for _, _, name in learned_in(text, found, dialect)}):
        path = found[name].path
        if found[name].format == "pickle" and not trusts(path):
            learned.notices.append(Message("embedding.pickle", {"file": path.name}))
            continue
        parts = read_learned(path)
        if _fits({part: vectors.shape[1] for part, vectors in parts.items()}, widths):
            learned.vectors[name] = parts
            learned.files.append(path)
        else:
            learned.notices.append(Message("embedding.width", {"name": path.stem}))
    return learned


def _fits(found: Mapping[str, int], widths: Mapping[str, int]) -> bool:
    """Whether vectors of the widths ``found`` are for text encoders of ``widths``, by part.

    A pair of vectors also serves a model with the second encoder alone, such as a refiner.
    """
    return found == widths or (TEXT not in widths and found.items() >= widths.items())


def read_learned(path: Path) -> dict[str, Tensor]:
    """The vectors, (tokens, width), for each text encoder. Raises ``AppError``."""
    part = Part(path.parent, "", path.stem, path)
    with path.open("rb", buffering=0) as stream:
        tensors = {stored.name: read_tensor(part, stream, stored) for stored in stored_tensors(part, path)}
    named = {_PAIR[name]: tensor for name, tensor in tensors.items() if name in _PAIR}
    only = [tensor for tensor in tensors.values() if tensor.is_floating_point()]
    return {name: tensor.reshape(-1, tensor.shape[-1]) for name, tensor in (named or {TEXT: only[0]}).items()}
