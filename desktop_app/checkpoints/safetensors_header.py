"""Our own bounded reader of safetensors headers: says what is wrong with a file without reading its weights.

Format (huggingface/safetensors README): 8-byte little-endian header length, JSON header ``{name: {"dtype", "shape",
"data_offsets": [begin, end]}}`` with an optional ``"__metadata__"``, then the tensors' bytes, without gaps.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from desktop_app.checkpoints.contents import Contents, Tensor
from desktop_app.checkpoints.weights_file import (
    MAX_HEADER,
    MAX_TENSORS,
    FileProblem,
    clean,
    open_weights,
    shown,
    unknown_file,
)

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
TORCH_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "float8_e8m0fnu", "I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16", "I32": "int32",
    "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
    "F4": "float4_e2m1fn_x2", "F6_E2M3": "float6_e2m3", "F6_E3M2": "float6_e3m2",
}  # fmt: skip
METADATA = "__metadata__"
_MOST_COLONS, _MOST_MARKS = 4 * MAX_TENSORS, 10 * MAX_TENSORS
"""Colons, and commas and brackets, in a long header: each tensor has four and eight, and one more for each axis."""
_SHORT = 4 * 1024 * 1024
"""Bytes of a header that takes little memory whatever stands in it; notes on a training may be full of colons."""
_MOST_AXES = 32
_LARGEST = 2**63


def read_contents(path: Path) -> Contents:
    """What a safetensors file holds. Raises :class:`FileProblem` if anything is wrong with it."""
    header = read_header(path)
    metadata = {clean(name): clean(value) for name, value in header.pop(METADATA, {}).items()}
    return Contents({clean(name): _tensor(description) for name, description in header.items()}, metadata)


def _tensor(description: dict[str, Any]) -> Tensor:
    begin, end = description["data_offsets"]
    return Tensor(TORCH_NAMES[description["dtype"]], tuple(description["shape"]), end - begin)


def check_safetensors(path: Path) -> None:
    """Raise :class:`FileProblem`, a ``ValueError``, if anything is wrong with the file. Milliseconds."""
    read_header(path)


def read_header(path: Path) -> dict[str, Any]:
    """Tensor descriptions of a safetensors file by name, as they stand in it, with ``__metadata__`` if it is there.

    Raises :class:`FileProblem` unless each is complete and the tensors fill the file without gaps and overlaps.
    """
    with open_weights(path) as (file, size):
        beginning = file.read(64)
        length = _length(path, beginning, size)
        file.seek(8)
        header = _parse(path, file.read(length))
    _check_metadata(path, header.get(METADATA, {}))
    spans = {name: _span(path, name, tensor) for name, tensor in header.items() if name != METADATA}
    whole = 8 + length + _end_of(path, spans)
    if size < whole:
        raise FileProblem(path, "file.cut-off", size=f"{size:,}", whole=f"{whole:,}")
    if size > whole:
        raise FileProblem(path, "file.too-long", extra=f"{size - whole:,}")
    return header


def is_safetensors(beginning: bytes) -> bool:
    """Whether a file that starts so can be a safetensors file: a length below 4 GiB, and JSON if that is there yet."""
    return beginning[4:8] == bytes(4) and beginning[8:9] in (b"{", b"")


def _length(path: Path, beginning: bytes, size: int) -> int:
    """Bytes of the header of a file of ``size`` bytes."""
    if size < 8:
        raise FileProblem(path, "file.short", size=size)
    length = int.from_bytes(beginning[:8], "little")
    if length <= min(MAX_HEADER, size - 8):
        return length
    if not is_safetensors(beginning):
        raise unknown_file(path, beginning)
    if length > MAX_HEADER:
        raise FileProblem(path, "file.header-long", size=f"{length:,}", limit=f"{MAX_HEADER:,}")
    raise FileProblem(path, "file.cut-off", size=f"{size:,}", whole=f"{8 + length:,}")


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    if len(text) > _SHORT and _is_crowded(text):
        raise FileProblem(path, "file.crowded")

    def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise FileProblem(path, "file.twice", name=shown(_twin(pairs)))
        return found

    try:
        header = json.loads(text, object_pairs_hook=without_twins, parse_constant=_no_number)
    except FileProblem:
        raise
    except (ValueError, RecursionError) as problem:
        raise FileProblem(path, "file.header") from problem
    if not isinstance(header, dict):
        raise FileProblem(path, "file.header")
    return header


def _is_crowded(text: bytes) -> bool:
    """Whether a header holds so many things that they would fill hundreds of megabytes of memory."""
    return text.count(b":") > _MOST_COLONS or sum(map(text.count, (b",", b"[", b"{"))) > _MOST_MARKS


def _twin(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(name for name, _ in pairs if name in seen or seen.add(name))


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _check_metadata(path: Path, found: Any) -> None:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise FileProblem(path, "file.metadata")


def _span(path: Path, name: str, tensor: Any) -> tuple[int, int]:
    """Offsets of the tensor's first byte and of the one after its last; they must fit its dtype and shape."""
    if not _is_complete(tensor):
        raise FileProblem(path, "file.tensor", name=shown(name))
    (begin, end), shape, dtype = tensor["data_offsets"], tensor["shape"], tensor["dtype"]
    if dtype not in BITS:
        raise FileProblem(path, "file.dtype", name=shown(name), dtype=shown(dtype))
    need = math.prod(shape) * BITS[dtype]
    if (end - begin) * 8 != need:
        raise FileProblem(path, "file.tensor-size", name=shown(name), size=f"{end - begin:,}", need=f"{need / 8:,.0f}")
    return begin, end


def _is_complete(tensor: Any) -> bool:
    """Whether a description has two offsets in order, a shape and a dtype, of numbers that a file can have."""
    try:
        begin, end = tensor["data_offsets"]
        shape, dtype = tensor["shape"], tensor["dtype"]
        numbers = (begin, end, *shape)
    except (KeyError, TypeError, ValueError):
        return False
    whole = all(type(number) is int and 0 <= number < _LARGEST for number in numbers)
    return whole and begin <= end and len(shape) <= _MOST_AXES and isinstance(dtype, str)


def _end_of(path: Path, spans: dict[str, tuple[int, int]]) -> int:
    """Offset after the last tensor. Raises :class:`FileProblem` where tensors overlap or leave a gap."""
    position = 0
    for (begin, end), name in sorted((span, name) for name, span in spans.items()):
        if begin != position:
            raise FileProblem(path, "file.overlap" if begin < position else "file.gap", name=shown(name))
        position = end
    return position
