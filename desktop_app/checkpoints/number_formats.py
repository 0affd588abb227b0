"""The number format of a file's weights, what they are packed in, and how many there are."""

from __future__ import annotations

import math
from collections import Counter

from desktop_app.checkpoints.contents import Contents

EIGHT_BITS = "fp8"
"""Weights that are float8 numbers as they are, which need no unpacking."""
_FOUR_BITS = {".quant_state.bitsandbytes__nf4": "nf4", ".quant_state.bitsandbytes__fp4": "fp4"}
"""Ends of the names that bitsandbytes writes beside weights of four bits, two of them in each byte."""
_HELPERS = (
    ".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4", ".absmax", ".quant_map", ".nested_absmax",
    ".nested_quant_map", ".SCB", ".weight_format", ".scale_weight", ".scale_input", ".weight_scale", ".input_scale",
    ".weight_scale_2", "scaled_fp8", ".comfy_quant",
)  # fmt: skip
"""Ends of the names of what only unpacks other tensors."""
_COPIES = ("model_ema.",)
"""Beginnings of the names of training's smoothed second copy; nothing loads it."""


def main_dtype(contents: Contents) -> str:
    """Number format of most of the bytes, as torch calls it; "" if there are none."""
    sizes: Counter[str] = Counter()
    for tensor in contents.tensors.values():
        sizes[tensor.dtype] += tensor.size
    return max(sizes, key=sizes.__getitem__, default="")


def quantisation(contents: Contents, dtype: str) -> str:
    """What weights of mostly ``dtype`` are packed in; "" for plain numbers of at least 16 bits."""
    for end, name in _FOUR_BITS.items():
        if contents.has(end):
            return name
    if dtype.startswith("float8"):
        return "scaled fp8" if contents.has(".scale_weight", ".weight_scale", "scaled_fp8") else EIGHT_BITS
    if dtype in ("int8", "uint8"):
        return "int8" if dtype == "int8" or contents.has(".SCB") else "packed bytes"
    if dtype.startswith("float4"):
        return "fp4"
    return "GGUF" if dtype.isupper() else ""


def count_parameters(contents: Contents) -> int:
    """Weights that a program would load: without copies and what only unpacks others."""
    four_bits = {name.partition(".quant_state.")[0] for name in contents.names_with(*_FOUR_BITS)}
    return sum(
        math.prod(tensor.shape) * (2 if name in four_bits else 1)
        for name, tensor in contents.tensors.items()
        if not name.endswith(_HELPERS) and not name.startswith(_COPIES)
    )
