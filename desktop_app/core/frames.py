"""Pixels as every room hands them on: an image is a one-frame film."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frames:
    """``count`` RGB frames of ``height`` × ``width`` px: uint8, row-major, no padding.

    ``data`` holds exactly ``count * height * width * 3`` bytes (``ValueError`` otherwise), so
    ``numpy.frombuffer(frames.data, "uint8").reshape(frames.shape)`` is the array. Kept as bytes so that neither the
    window nor the command line needs numpy to pass pixels on.
    """

    count: int
    height: int
    width: int
    data: bytes

    def __post_init__(self) -> None:
        expected = self.count * self.height * self.width * 3
        if min(self.shape) < 1 or len(self.data) != expected:
            raise ValueError(f"{len(self.data)} bytes for frames of shape {self.shape}, which takes {expected}")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(frames, height, width, 3)."""
        return (self.count, self.height, self.width, 3)
