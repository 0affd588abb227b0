"""Weights files that are only a header: real names and shapes, with a hole where the numbers would be."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from desktop_app.checkpoints.safetensors_header import BITS

Shapes = Mapping[str, tuple[int, ...]]


def write_header(
    path: Path, shapes: Shapes, dtype: str = "F16", metadata: Mapping[str, str] | None = None, **dtypes: str
) -> Path:
    """A sparse safetensors file of ``shapes`` in ``dtype`` (``dtypes`` by the end of a name); takes no room."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        own = next((dtypes[ending] for ending in dtypes if name.endswith(ending)), dtype)
        begin, end = end, end + math.prod(shape) * BITS[own] // 8
        header[name] = {"dtype": own, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


def behind(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """``shapes`` with ``prefix`` before each name."""
    return {prefix + name: shape for name, shape in shapes.items()}
