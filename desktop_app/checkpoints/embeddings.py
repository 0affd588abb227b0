"""Textual inversions by the names that prompts call them: from file names and headers alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from desktop_app.checkpoints.identify import identify, read_weights
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.weights_file import FileProblem

KIND = "embedding"
READ = (".safetensors", ".sft", ".pt", ".bin", ".pth")
LARGEST = 64 * 1024 * 1024
"""Bytes; no textual inversion comes near."""


def find_embeddings(text: str, files: Iterable[Path]) -> dict[str, Identity]:
    """Those of ``files`` that are textual inversions whose names stand somewhere in ``text``, by name in lower case.

    The first of a name wins, unless it is a pickle and another is none.
    """
    lower = text.lower()
    found: dict[str, Identity] = {}
    for path in files:
        name = path.stem.lower()
        known = found.get(name)
        if name in lower and (known is None or known.format == "pickle") and _may_be_one(path):
            identity = identify(path)
            if identity.kind == KIND and not identity.problem and (known is None or identity.format != "pickle"):
                found[name] = identity
    return found


def count_vectors(path: Path) -> int:
    """Tokens that the textual inversion in a file stands for, from names and shapes alone; 0 where it has none."""
    try:
        tensors = read_weights(path).tensors.values()
    except (OSError, FileProblem):
        return 0
    return max((tensor.shape[0] if len(tensor.shape) == 2 else 1 for tensor in tensors), default=0)


def _may_be_one(path: Path) -> bool:
    try:
        return path.suffix.lower() in READ and path.is_file() and path.stat().st_size < LARGEST
    except OSError:
        return False
