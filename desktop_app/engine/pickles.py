"""PyTorch's pickled weights (.ckpt, .pt, .pth, .bin): read as weights alone, and written anew as safetensors.

Whoever calls has the person's consent: see :mod:`desktop_app.checkpoints.consent`.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.pickle_names import DEEPEST, WRAPPERS
from desktop_app.checkpoints.safetensors_header import METADATA
from desktop_app.core.errors import AppError
from desktop_app.core.files import place_file, temporary_name
from desktop_app.engine.dtypes import DTYPES

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_LONGEST_NOTE = 200
_ALIGNMENT = 8


def read_pickled(path: Path) -> dict[str, Tensor]:
    """The tensors in the file by name, on the CPU; those of an archive are mapped from it. Raises ``AppError``.

    Names are those that :mod:`desktop_app.checkpoints.pickle_names` reads. torch's unpickler of weights alone refuses
    every other kind of content, and before it a look at the names of what the file would run does.
    """
    return dict(_flat("", _load(path), DEEPEST))


def convert(path: Path, to: Path, report: Callable[[float], None]) -> Path:
    """Write the pickled weights in ``path`` to a new safetensors file ``to``, or a free name like it; return its path.

    ``report`` is told the part that is done. Nothing is overwritten and nothing is left behind. Raises ``AppError``.
    """
    loaded = _load(path)
    notes = _notes(loaded) | {"format": "pt", "converted_from": path.name}
    temporary = temporary_name(to.parent)
    try:
        with temporary.open("xb") as file:
            _write(file, path, dict(_flat("", loaded, DEEPEST)), notes, report)
        return place_file(temporary, to)
    except OSError as problem:
        raise AppError("save.folder", folder=str(to.parent), reason=problem.strerror or str(problem)) from problem
    finally:
        temporary.unlink(missing_ok=True)


def _load(path: Path) -> Any:
    identity = identify(path)
    if identity.problem:
        raise AppError(identity.problem.id, **identity.problem.values)
    if identity.format != "pickle":
        raise AppError("pickle.none", file=path.name)
    try:
        with torch.serialization.safe_globals([nn.ParameterDict]):  # the first textual inversions were written as one
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError, ValueError, TypeError) as problem:
        raise AppError("pickle.unreadable", file=path.name, reason=str(problem).partition("\n")[0]) from problem


def _flat(name: str, value: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested dictionaries by their names with dots; what only wraps the weights is left out."""
    if isinstance(value, Tensor):
        yield name, value.detach()
    elif depth and isinstance(value, Mapping | nn.ParameterDict):
        start = "" if name in WRAPPERS else f"{name}."
        for key, inner in value.items():
            yield from _flat(f"{start}{key}", inner, depth - 1)


def _notes(loaded: Any) -> dict[str, str]:
    """What stands beside the weights in words and numbers, such as the step of training."""
    if not isinstance(loaded, Mapping):
        return {}
    plain = {str(key): str(value) for key, value in loaded.items() if isinstance(value, (str, int, float))}
    return {key: value for key, value in plain.items() if len(value) <= _LONGEST_NOTE}


def _write(
    file: BinaryIO, path: Path, weights: dict[str, Tensor], notes: Mapping[str, str], report: Callable[[float], None]
) -> None:
    """Header and numbers, one tensor in memory at a time; wide numbers first, so that each is aligned."""
    ordered = sorted(weights.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, Any] = {METADATA: dict(notes)}
    end = 0
    for name, value in ordered:
        if value.dtype not in _NAMES or value.layout != torch.strided:
            raise AppError("pickle.unreadable", file=path.name, reason=f"{name} is a tensor of {value.dtype}")
        begin, end = end, end + value.numel() * value.element_size()
        header[name] = {"dtype": _NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    file.write(len(text).to_bytes(8, "little") + text)
    for name, value in ordered:
        file.write(memoryview(value.contiguous().reshape(-1).view(torch.uint8).numpy()))
        report(header[name]["data_offsets"][1] / max(end, 1))
