"""A recipe whose LoRAs or textual inversions have got other names since: found again by what is in them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

from desktop_app.checkpoints.digests import Digests
from desktop_app.checkpoints.embeddings import KIND as EMBEDDING
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.loras import KINDS as LORAS
from desktop_app.checkpoints.loras import LORA, lora_name
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result, UsedFile
from desktop_app.prompt.learned import with_names as with_learned_names
from desktop_app.prompt.tags import with_names as with_lora_names
from desktop_app.studio.model_library import LibraryItem

_KINDS = {**dict.fromkeys(LORAS, LORA), EMBEDDING: EMBEDDING}


def new_names(result: Result, items: Sequence[LibraryItem], digests: Digests) -> dict[tuple[str, str], str]:
    """What files of the recipe that nobody finds under their names are called now, by kind and old name.

    Renaming leaves a file's size, so few have to be read. Takes a while.
    """
    here = [item.identity for item in items if item.identity.kind in _KINDS and not item.identity.problem]
    names = {(_KINDS[one.kind], _name(one).lower()) for one in here}
    lost = [file for file in (result.run.files if result.run else ()) if (file.kind, file.name.lower()) not in names]
    found = {(file.kind, file.name): _find(file, here, digests) for file in lost}
    return {key: _name(one) for key, one in found.items() if one is not None}


def with_new_names(request: GenerationRequest, names: dict[tuple[str, str], str]) -> GenerationRequest:
    """``request`` with the texts that ask for the files by their new names."""
    loras = {old: new for (kind, old), new in names.items() if kind == LORA}
    learned = {old: new for (kind, old), new in names.items() if kind == EMBEDDING}

    def renamed(text: str) -> str:
        return with_learned_names(with_lora_names(text, loras), learned, request.dialect)

    return replace(request, prompt=renamed(request.prompt), negative_prompt=renamed(request.negative_prompt))


def _find(file: UsedFile, here: Sequence[Identity], digests: Digests) -> Identity | None:
    for one in here:
        if one.size == file.size and _KINDS[one.kind] == file.kind:
            with contextlib.suppress(OSError):  # gone since the folders were looked at
                if digests.read(one.path, file.kind) == file.digest:
                    return one
    return None


def _name(identity: Identity) -> str:
    return lora_name(identity.path) if identity.kind in LORAS else identity.path.stem
