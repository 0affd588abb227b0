"""What a weights file holds, as plain data: names, shapes and number formats, whatever the file's format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Pattern = Mapping[str, tuple[int | None, ...]]
"""Names that must be there, each with the shape it must have: None stands for any length, ``()`` for any shape."""


@dataclass(frozen=True, slots=True)
class Tensor:
    dtype: str
    """As torch calls it ("float16"), or the name of a packed GGUF type ("Q4_K")."""
    shape: tuple[int, ...]
    size: int
    """Bytes in the file."""


@dataclass(frozen=True, slots=True)
class Contents:
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str] = field(default_factory=dict)
    format: str = "safetensors"
    """How the file writes it down: "safetensors", "GGUF" or "pickle"."""
    programs: tuple[str, ...] = ()
    """What of a pickle is no part of weights: functions and classes that loading it would run."""

    def matches(self, pattern: Pattern, prefix: str = "") -> bool:
        """Whether every name of ``pattern`` is there behind ``prefix``, with the shape it must have."""
        return all(self._matches(prefix + name, shape) for name, shape in pattern.items())

    def _matches(self, name: str, shape: tuple[int | None, ...]) -> bool:
        tensor = self.tensors.get(name)
        return tensor is not None and (not shape or fits(tensor.shape, shape))

    def names_with(self, *fragments: str) -> Iterator[str]:
        """Names that contain one of ``fragments``."""
        return (name for name in self.tensors if any(fragment in name for fragment in fragments))

    def has(self, *fragments: str) -> bool:
        """Whether a name contains one of ``fragments``."""
        return any(self.names_with(*fragments))

    def starts(self, *prefixes: str) -> bool:
        """Whether a name begins with one of ``prefixes``."""
        return any(name.startswith(prefixes) for name in self.tensors)


def fits(shape: tuple[int, ...], pattern: tuple[int | None, ...]) -> bool:
    """Whether ``shape`` has as many axes as ``pattern`` and the lengths that it names."""
    if len(shape) != len(pattern):
        return False
    return all(want in (None, length) for length, want in zip(shape, pattern, strict=True))
