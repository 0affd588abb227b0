"""What computes, and how much memory it has: what the window must know of it to say beforehand what will fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and the computer around it, sizes in bytes."""

    kind: str
    """``torch.device`` type: "cpu", "cuda" or "mps"."""
    name: str
    dtype: str
    """Number format that suits it, as torch calls it."""
    memory: int
    """All of the device's."""
    free: int
    """Of it, what a run can have: free now, or held by models that can be put away."""
    ram_free: int
    """Of the computer's own memory, likewise."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Machine:
        """Read what :meth:`to_json` gives. Raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        sizes = {name: int(data[name]) for name in ("memory", "free", "ram_free")}
        return cls(str(data["kind"]), str(data["name"]), str(data["dtype"]), **sizes)
