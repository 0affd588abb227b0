"""How a run is laid out so that it fits into memory, and what the user wishes of that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from desktop_app.core.guidance_form import TWO_PASS

WHOLE, BY_MODEL, BY_GROUP = "whole", "model", "group"
"""What of a model is on the graphics card: all of it, the part whose turn it is, or the block whose turn it is."""
AUTO = "auto"
FULL, HALF, EIGHT = "full", "half", "eight"
TILES = "tiles"


@dataclass(frozen=True, slots=True)
class Plan:
    """How one run uses memory."""

    dtype: str
    """Of the denoiser, as torch calls it."""
    form: str
    """Of guidance."""
    tiled: bool = False
    """Whether pictures are decoded in tiles."""
    offload: str = WHOLE
    eight_bits: bool = False
    """Whether the denoiser keeps its weights as float8 (e4m3fn) and each layer takes them to ``dtype`` to compute."""


WISHES = ("precision", "offload", "decode")
"""Keys of the settings that say them."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings ask for; "auto" leaves it to the forecast."""

    precision: str = AUTO
    """"auto", "full", "half" or "eight"."""
    offload: str = AUTO
    """"auto", "whole", "model" or "group"."""
    decode: str = AUTO
    """"auto", "whole" or "tiles"."""

    @classmethod
    def of(cls, told: Callable[[str], Any]) -> Wishes:
        """``told`` gives the value of a setting by its key."""
        return cls(*(str(told(key)) for key in WISHES))


NO_WISHES = Wishes()
MEASURES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "two-pass": ("one pass of guidance after the other", {"form": TWO_PASS}),
    "tiles": ("decoding in tiles", {"tiled": True}),
    "model": ("each part of the model waiting in RAM for its turn", {"offload": BY_MODEL}),
    "bfloat16": ("half precision", {"dtype": "bfloat16"}),
    "eight-bits": ("weights of 8 bits", {"eight_bits": True}),
    "group": ("each block of the model waiting in RAM for its turn", {"offload": BY_GROUP}),
}
"""Measure that saves memory: how people call it, and what it changes in a :class:`Plan`; the cheapest first.

Eight bits come after parts that wait, which cross the bus once a picture and lose no digit, and before blocks that
wait: these cross it at every evaluation, which takes longer than all layers take to widen their weights.
"""
