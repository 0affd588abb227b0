"""Which files of a repository are needed: one set of weights for each part, and none that only other programs read.

A repository in the layout of diffusers often holds the same weights several times: in float32 and float16
(``unet/diffusion_pytorch_model.fp16.safetensors``), pickled, for Flax, ONNX and OpenVINO, and once more in one file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from desktop_app.checkpoints.scan import PART, PIPELINE, WEIGHTS
from desktop_app.download.offer import PICKLED, Choice, RemoteFile, safe_name

_LEFT_OUT = {"safety_checker"}
"""Parts that the pipelines here never load."""
_SMALL = (".json", ".txt", ".model")
"""Endings of configurations, vocabularies and merges."""
_SHARD = re.compile(r"(.*?)[.-]\d{5}-of-\d{5}(\.[\w-]+)?")
_BASES = ("diffusion_pytorch_model", "model")
"""Stems of the weights that diffusers and transformers load."""


def components(index: Mapping[str, Any]) -> set[str]:
    """Folders that a ``model_index.json`` names, without those that are switched off or never loaded."""
    named = {name: value for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    return {name for name, value in named.items() if value[0] is not None} - _LEFT_OUT


def choices(name: str, files: Sequence[RemoteFile], parts: Collection[str]) -> tuple[Choice, ...]:
    """What of ``files`` makes sense to download: the folder first, then single weights, pickled ones last.

    ``name`` is what the folder is to be called, ``parts`` what its ``model_index.json`` names (see
    :func:`components`). Empty if there are no weights at all.
    """
    whole = _pipeline(files, parts) if any(file.path == PIPELINE for file in files) else _part(files, "")
    made = [Choice(name, tuple(whole), folder=True)] if _has_weights(whole) else []
    inside = tuple(f"{part}/" for part in parts)
    single = [file for file in files if _is_single(file.path) and not file.path.startswith(inside)]
    if made and PIPELINE not in {file.path for file in whole}:
        single = [file for file in single if file not in whole]
    single.sort(key=lambda file: (file.path.lower().endswith(PICKLED), file.path.lower()))
    return (*made, *(single_file(file) for file in single))


def single_file(file: RemoteFile) -> Choice:
    """One file of a repository by itself, wherever in it it lies."""
    name = safe_name(file.path)
    return Choice(name, (RemoteFile(name, file.url, file.size, file.digest),))


def _pipeline(files: Sequence[RemoteFile], parts: Collection[str]) -> list[RemoteFile]:
    found = [file for file in files if "/" not in file.path and file.path in (PIPELINE, "safelight.json")]
    for part in sorted(parts):
        found += _part(files, f"{part}/")
    return found


def _part(files: Sequence[RemoteFile], folder: str) -> list[RemoteFile]:
    """Needed files directly in ``folder``: its small ones and one set of weights. Empty for a root without a config."""
    here = {file.path.removeprefix(folder): file for file in files if file.path.startswith(folder)}
    here = {name: file for name, file in here.items() if "/" not in name}
    if not folder and PART not in here:
        return []
    weights = _one_set(set(here))
    small = [name for name in here if name.endswith(_SMALL) and not _is_index(name)]
    return [here[name] for name in sorted((*small, *weights))]


def _one_set(names: Collection[str]) -> list[str]:
    """One complete set of safetensors weights out of ``names``, with its index if it has several files.

    float16 in one file, which is half as large as float32 and loses nothing that a picture shows; else those without
    a variant; else whatever variant there is.
    """
    sets = {
        (base, variant): sorted(found)
        for base in _BASES
        for variant in sorted({_variant(name, base) for name in names} - {None}, key=str)
        if (found := [name for name in names if _variant(name, base) == variant])
    }
    for base in _BASES:
        order = [(base, "fp16")] if f"{base}.fp16.safetensors" in sets.get((base, "fp16"), ()) else []
        order += [(base, ""), *sorted(key for key in sets if key[0] == base)]
        for key in order:
            if _complete(sets.get(key, [])):
                return sets[key]
    return []


def _variant(name: str, base: str) -> str | None:
    """The variant of a weights file or index of ``base`` ("" for the plain ones), None if ``name`` is neither.

    ``base.fp16.safetensors``, ``base.fp16-00001-of-00002.safetensors``, ``base.safetensors.index.fp16.json``
    """
    stem = re.escape(base)
    for pattern in (
        rf"{stem}(?:\.(\w+))?\.safetensors",
        rf"{stem}(?:\.(\w+))?-\d{{5}}-of-\d{{5}}\.safetensors",
        rf"{stem}\.safetensors\.index(?:\.(\w+))?\.json",
    ):
        if match := re.fullmatch(pattern, name):
            return match[1] or ""
    return None


def _complete(names: Sequence[str]) -> bool:
    """Whether there are weights and, where they are in shards, all of them."""
    shards = [match for match in (re.search(r"-\d{5}-of-(\d{5})", name) for name in names) if match]
    return len(shards) == int(shards[0][1]) if shards else any(name.endswith(".safetensors") for name in names)


def _is_index(name: str) -> bool:
    return ".index." in name


def _is_single(path: str) -> bool:
    """Whether a file of weights makes sense by itself: no shard, no state of a training."""
    name = PurePosixPath(path).name.lower()
    state = name.startswith(("optimizer", "scheduler", "random_states", "training_args", "rng_state"))
    return name.endswith(WEIGHTS) and not _SHARD.search(name) and not state


def _has_weights(files: Sequence[RemoteFile]) -> bool:
    return any(file.path.lower().endswith(WEIGHTS) for file in files)


def below(files: Sequence[RemoteFile], folder: str) -> Iterator[RemoteFile]:
    """The files in ``folder``, with their paths from there."""
    for file in files:
        if file.path.startswith(f"{folder}/"):
            yield RemoteFile(file.path.removeprefix(f"{folder}/"), file.url, file.size, file.digest)
