"""Textual inversions by the names that prompts call them: from file names and headers alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.safetensors_header import read_contents
from desktop_app.checkpoints.scan import model_files
from desktop_app.checkpoints.weights_file import FileProblem

KIND = "embedding"
READ = (".safetensors", ".sft")
LARGEST = 64 * 1024 * 1024
"""Bytes; no textual inversion comes near."""


def find_embeddings(text: str, folders: Iterable[Path]) -> dict[str, Identity]:
    """Textual inversions in and below ``folders`` whose file names stand somewhere in ``text``, by name in lower case.

    The first of a name wins.
    """
    lower = text.lower()
    found: dict[str, Identity] = {}
    for folder in folders:
        for path in model_files(folder):
            name = path.stem.lower()
            if name in lower and name not in found and _is_small(path):
                identity = identify(path)
                if identity.kind == KIND and not identity.problem:
                    found[name] = identity
    return found


def count_vectors(path: Path) -> int:
    """Tokens that the textual inversion in a safetensors file stands for; 0 where that cannot be read."""
    try:
        tensors = read_contents(path).tensors.values()
    except (OSError, FileProblem):
        return 0
    return max((tensor.shape[0] if len(tensor.shape) == 2 else 1 for tensor in tensors), default=0)


def _is_small(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size < LARGEST
    except OSError:
        return False
