"""What a single file of Stable Diffusion 2 predicts, noise or velocity: shapes do not tell, and few files say it."""

from __future__ import annotations

import re
import statistics
import struct
from pathlib import Path

from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.safetensors_header import read_header

_TELLING = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
_SPREAD = 0.09
"""Standard deviation of that tensor, 320 numbers, above which published models predict velocity, as ComfyUI found."""
_VELOCITY_IN_YAML = re.compile(r"^\s*parameterization:\s*[\"']?v[\"']?\s*$", re.MULTILINE)
_NUMBERS = {"F16": "e", "F32": "f", "F64": "d"}
"""Number format: its letter in :mod:`struct`, for numpy is slow to import in the window."""


def guessed_prediction(identity: Identity) -> str:
    """ "v_prediction" or "epsilon".

    Told by the original training configuration ``NAME.yaml`` where people keep it beside the file, as Automatic1111
    wants it, else by the spread of one tensor, which only safetensors files are looked into for. Raises ``OSError``.
    """
    beside = identity.path.with_suffix(".yaml")
    if beside.is_file():
        told = _VELOCITY_IN_YAML.search(beside.read_text(encoding="utf-8", errors="replace"))
        return "v_prediction" if told else "epsilon"
    if identity.format != "safetensors":
        return "epsilon"
    return "v_prediction" if statistics.pstdev(_numbers(identity.path, _TELLING)) > _SPREAD else "epsilon"


def _numbers(file: Path, name: str) -> tuple[float, ...]:
    """The tensor called ``name``, flat; a single zero if there is none in a format that is looked into."""
    stored = read_header(file).get(name)
    if stored is None or stored["dtype"] not in (*_NUMBERS, "BF16"):
        return (0.0,)
    begin, end = stored["data_offsets"]
    with file.open("rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        stream.seek(start + begin)
        data = stream.read(end - begin)
    if stored["dtype"] == "BF16":  # the upper half of a float32
        data = b"".join(b"\0\0" + data[place : place + 2] for place in range(0, len(data), 2))
    letter = _NUMBERS.get(stored["dtype"], "f")
    return struct.unpack(f"<{len(data) // struct.calcsize(letter)}{letter}", data)
