"""Our own bounded reader of safetensors headers: says what is wrong with a file without reading its weights.

Format (huggingface/safetensors README): 8-byte little-endian header length, JSON header ``{name: {"dtype", "shape",
"data_offsets": [begin, end]}}`` with an optional ``"__metadata__"``, then the tensors' bytes, without gaps.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.contents import Contents, Tensor

MAX_HEADER = 100 * 1024 * 1024
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


def read_contents(path: Path) -> Contents:
    """What a safetensors file holds. Raises ``ValueError``, in plain words, if anything is wrong with it."""
    header = check_safetensors(path)
    metadata = header.pop("__metadata__", {})
    return Contents({name: _tensor(description) for name, description in header.items()}, metadata)


def _tensor(description: dict[str, Any]) -> Tensor:
    begin, end = description["data_offsets"]
    return Tensor(TORCH_NAMES[description["dtype"]], tuple(description["shape"]), end - begin)


def read_header(path: Path) -> dict[str, Any]:
    """Tensor descriptions of a safetensors file by name. Raises ``ValueError`` with what is wrong, in plain words."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if size < 8:
                raise ValueError(f"is only {size} bytes long")
            if length > min(MAX_HEADER, size - 8):
                raise ValueError(_what_it_is(prefix))
            header = json.loads(file.read(length))
    except OSError as problem:
        raise ValueError(f"cannot be read ({problem.strerror})") from problem
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        raise ValueError("has a damaged header") from problem
    if not isinstance(header, dict):
        raise ValueError("has a damaged header")
    return header


def _what_it_is(prefix: bytes) -> str:
    """What a file is that begins with ``prefix`` where a header's length should stand."""
    if prefix.lstrip()[:1] == b"<":
        return "is a web page, not a model; the download probably asked to sign in"
    if prefix.startswith(b"version "):
        return "is a Git LFS pointer; the weights themselves were never downloaded"
    return "is cut off, or is not a safetensors file"


def check_safetensors(path: Path) -> dict[str, Any]:
    """The header. Raises ``ValueError``, in plain words, unless every tensor is where it says and none is cut off."""
    header = read_header(path)
    begin = 8 + _header_length(path)
    end = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            end = max(end, _tensor_end(name, tensor))
    if path.stat().st_size < begin + end:
        raise ValueError(f"is cut off: {path.stat().st_size:,} of {begin + end:,} bytes")
    return header


def _header_length(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(8), "little")


def _tensor_end(name: str, tensor: Any) -> int:
    """Offset of the first byte after the tensor's data; checks that its span fits its dtype and shape."""
    try:
        begin, end = tensor["data_offsets"]
        shape = tensor["shape"]
        valid = 0 <= begin <= end and min(shape, default=0) >= 0
        if valid and (end - begin) * 8 == math.prod(shape) * BITS[tensor["dtype"]]:
            return end
    except (KeyError, TypeError, ValueError):
        pass  # what is missing or no number is as wrong as what does not fit
    raise ValueError(f"has a damaged header (at {name})")
