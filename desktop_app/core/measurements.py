"""What runs on this machine really took, kept in a small file so that the next forecast is nearer."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from desktop_app.core.files import replace_file

FILE = "memory.json"
"""In the cache folder."""
VERSION = 2
"""Of the file, and of the estimates that its entries are compared with."""
KEPT = 64
"""Measurements; the oldest go."""
LEAST = 32 * 1024**2
"""Bytes below which a measurement is noise."""
_SANE = (0.1, 10.0)
"""A measurement that is further off its estimate is not of what was estimated."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One stage of one run: what it was estimated to take beside the weights, and what it took, in bytes."""

    key: str
    """Device, number format and model that it holds for."""
    stage: str
    """"denoising" or "decoding"."""
    pixels: int
    estimated: int
    measured: int

    @property
    def ratio(self) -> float:
        return self.measured / self.estimated


def correction(known: Sequence[Measurement], key: str, stage: str, pixels: int) -> float:
    """What an estimate is to be multiplied with: the last ratio measured at the number of pixels nearest to this."""
    fitting = [one for one in known if (one.key, one.stage) == (key, stage)]
    if not fitting:
        return 1.0
    nearest = min(abs(math.log(one.pixels / pixels)) for one in fitting)
    return next(one.ratio for one in reversed(fitting) if abs(math.log(one.pixels / pixels)) == nearest)


def read_measurements(file: Path) -> tuple[Measurement, ...]:
    """What ``file`` holds, the newest last; nothing if it is missing, damaged or of another version."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        stored = json.loads(file.read_text(encoding="utf-8"))
        if stored["version"] == VERSION:
            return tuple(
                Measurement(str(one["key"]), str(one["stage"]), *(_positive(one[name]) for name in _NUMBERS))
                for one in stored["measurements"]
            )
    return ()


_NUMBERS = ("pixels", "estimated", "measured")


def _positive(value: object) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"{value!r} is no size")
    return value


def add_measurements(file: Path, new: Sequence[Measurement]) -> None:
    """Keep those of ``new`` that say something. A file that cannot be written costs nearer forecasts, nothing else."""
    worth = [one for one in new if one.measured >= LEAST and _SANE[0] <= one.ratio <= _SANE[1]]
    if not worth:
        return
    kept = [*read_measurements(file), *worth][-KEPT:]
    with contextlib.suppress(OSError):
        replace_file(file, json.dumps({"version": VERSION, "measurements": [asdict(one) for one in kept]}).encode())
