"""Our own bounded reader of GGUF headers: names, shapes and packings of tensors, no weights.

Format (ggml-org/ggml, docs/gguf.md), little-endian: ``GGUF``, version, number of tensors, number of notes; the notes as
(key, type, value); each tensor as (name, number of axes, axes from the fastest, packing, offset); then, aligned, the
data.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from desktop_app.checkpoints.contents import Contents, Tensor
from desktop_app.checkpoints.weights_file import MAX_HEADER, MAX_TENSORS, FileProblem, open_weights, shown

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MOST_NOTES = 10_000
_MOST_TEXTS = 2_000_000
"""Texts in all lists together; the largest vocabulary of a text encoder has 262,144."""
_LONGEST_NAME = 1024
_LONGEST_VALUE = 1024 * 1024
_MOST_AXES = 8

PACKINGS: Mapping[int, tuple[str, int, int]] = {
    0: ("float32", 1, 4), 1: ("float16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("int8", 1, 1), 25: ("int16", 1, 2), 26: ("int32", 1, 4), 27: ("int64", 1, 8), 28: ("float64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("bfloat16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
}  # fmt: skip
"""Number of a packing: name, as torch calls it where torch has it; weights in a block; bytes of a block."""

_TEXT, _LIST = 8, 9
_NUMBERS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
"""Types of notes that are one number."""
_SHAPE_NOTE = "comfy.gguf.orig_shape."
"""Beginning of the notes that tell the shape of a tensor that was flattened to be packed."""


def read_gguf(path: Path) -> Contents:
    """What a GGUF file holds; lists among its notes are left out. Raises :class:`FileProblem`."""
    with open_weights(path) as (file, size):
        reader = _Reader(path, file, min(size, MAX_HEADER))
        tensor_count, note_count = _counts(path, reader)
        notes = dict(_note(reader) for _ in range(note_count))
        placed = [_tensor(path, reader) for _ in range(tensor_count)]
    _check_places(path, placed, reader.position, _alignment(notes), size)
    shapes = {key.removeprefix(_SHAPE_NOTE): value for key, value in notes.items() if key.startswith(_SHAPE_NOTE)}
    tensors = {one.name: Tensor(one.packing, _axes(shapes.get(one.name), one.shape), one.size) for one in placed}
    metadata = {key: value for key, value in notes.items() if isinstance(value, str)}
    return Contents(tensors, metadata, "GGUF")


@dataclass(frozen=True, slots=True)
class _Placed:
    name: str
    packing: str
    shape: tuple[int, ...]
    begin: int
    """Offset in the data."""
    size: int


class _Reader:
    """Takes numbers and texts from the beginning of a file, ``limit`` bytes of it at most."""

    def __init__(self, path: Path, file: BinaryIO, limit: int) -> None:
        self._path, self._file, self._limit = path, file, limit
        self.position = 0
        self._texts = 0

    def number(self, form: str) -> int | float | bool:
        data = self.take(struct.calcsize(form))
        return struct.unpack(form, data)[0]

    def count(self, form: str, most: int) -> int:
        """A number of things, ``most`` at most."""
        if (value := int(self.number(form))) > most:
            raise FileProblem(self._path, "file.crowded")
        return value

    def text(self, longest: int) -> str:
        return self.take(self.count("<Q", longest)).decode("utf-8", "replace")

    def take(self, size: int) -> bytes:
        self._advance(size)
        return self._file.read(size)

    def pass_over(self, size: int) -> None:
        self._advance(size)
        self._file.seek(size, 1)

    def pass_over_text(self) -> None:
        self._texts += 1
        if self._texts > _MOST_TEXTS:
            raise FileProblem(self._path, "file.crowded")
        self.pass_over(int(self.number("<Q")))

    def damaged(self) -> FileProblem:
        return FileProblem(self._path, "file.header")

    def _advance(self, size: int) -> None:
        self.position += size
        if self.position > self._limit:
            raise FileProblem(self._path, "file.header-cut")


def _counts(path: Path, reader: _Reader) -> tuple[int, int]:
    """(tensors, notes)."""
    if reader.take(4) != MAGIC:
        raise reader.damaged()
    if (version := int(reader.number("<I"))) not in _VERSIONS:
        raise FileProblem(path, "file.gguf-version", version=version, known=" and ".join(map(str, _VERSIONS)))
    return reader.count("<Q", MAX_TENSORS), reader.count("<Q", _MOST_NOTES)


def _note(reader: _Reader) -> tuple[str, str | tuple[int, ...] | None]:
    """(key, value): a text, a short list of whole numbers, or None for other lists."""
    key = reader.text(_LONGEST_NAME)
    kind = int(reader.number("<I"))
    if kind == _LIST:
        return key, _list(reader)
    if kind == _TEXT:
        return key, reader.text(_LONGEST_VALUE)
    if kind not in _NUMBERS:
        raise reader.damaged()
    return key, str(reader.number(_NUMBERS[kind]))


def _list(reader: _Reader) -> tuple[int, ...] | None:
    kind, length = int(reader.number("<I")), int(reader.number("<Q"))
    if kind == _TEXT:
        for _ in range(length):
            reader.pass_over_text()
        return None
    if kind not in _NUMBERS:
        raise reader.damaged()
    form = _NUMBERS[kind]
    if length <= _MOST_AXES and form[1] not in "fd":
        return tuple(int(reader.number(form)) for _ in range(length))
    reader.pass_over(length * struct.calcsize(form))
    return None


def _alignment(notes: Mapping[str, object]) -> int:
    told = notes.get("general.alignment", "32")
    return int(told) if isinstance(told, str) and told.isdecimal() and 0 < int(told) <= 1024 * 1024 else 32


def _tensor(path: Path, reader: _Reader) -> _Placed:
    name = reader.text(_LONGEST_NAME)
    axes = [int(reader.number("<Q")) for _ in range(reader.count("<I", _MOST_AXES))]
    kind, begin = int(reader.number("<I")), int(reader.number("<Q"))
    if kind not in PACKINGS:
        raise FileProblem(path, "file.dtype", name=shown(name), dtype=kind)
    packing, weights, size = PACKINGS[kind]
    count = math.prod(axes)
    if count % weights:
        raise FileProblem(path, "file.tensor", name=shown(name))
    return _Placed(name, packing, tuple(reversed(axes)), begin, count // weights * size)


def _check_places(path: Path, placed: list[_Placed], header: int, alignment: int, size: int) -> None:
    """Raise :class:`FileProblem` unless every tensor lies in the file, aligned, and none on another."""
    if len({one.name for one in placed}) < len(placed):
        raise FileProblem(path, "file.header")
    start, end = -(-header // alignment) * alignment, 0
    for one in sorted(placed, key=lambda one: (one.begin, one.size)):
        if one.begin % alignment:
            raise FileProblem(path, "file.tensor", name=shown(one.name))
        if one.begin < end:
            raise FileProblem(path, "file.overlap", name=shown(one.name))
        end = one.begin + one.size
    if start + end > size and placed:
        raise FileProblem(path, "file.cut-off", size=f"{size:,}", whole=f"{start + end:,}")


def _axes(told: object, stored: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a note tells, where it has as many weights as what is stored."""
    return told if isinstance(told, tuple) and math.prod(told) == math.prod(stored) else stored
