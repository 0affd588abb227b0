"""GGUF files that are only a header, written after ggml's description of the format, not after our reader."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

from tests.checkpoints.headers import Shapes

KINDS = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144), "BF16": (30, 1, 2)}
"""Name: number, weights in a block, bytes of a block."""


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def note(name: str, value: str | int | float | bool | list) -> bytes:
    """One key with its value, as ``general.name`` has."""
    return text(name) + _typed(value)


def _typed(value: str | int | float | bool | list) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<Ii", 5, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    kind = 8 if isinstance(value[0], str) else 5
    items = b"".join(_typed(item)[4:] for item in value)
    return struct.pack("<IIQ", 9, kind, len(value)) + items


def header(tensors: bytes, count: int, notes: Mapping[str, str | int | float | bool | list], version: int = 3) -> bytes:
    told = b"".join(note(name, value) for name, value in notes.items())
    return b"GGUF" + struct.pack("<IQQ", version, count, len(notes)) + told + tensors


def tensor(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    axes = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
    return text(name) + axes + struct.pack("<IQ", kind, offset)


def write_gguf(path: Path, shapes: Shapes, kind: str = "Q8_0", **notes: str | int | float | bool | list) -> Path:
    """A sparse file of ``shapes``: those that cannot be cut into blocks stay float32, as in real files."""
    described, offset = b"", 0
    for name, shape in shapes.items():
        number, weights, size = KINDS[kind] if shape and shape[-1] % KINDS[kind][1] == 0 else KINDS["F32"]
        described += tensor(name, shape, number, offset)
        offset += -(-(math.prod(shape) // weights * size) // 32) * 32
    start = header(described, len(shapes), {name.replace("__", "."): value for name, value in notes.items()})
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(-(-len(start) // 32) * 32 + offset)
    return path
