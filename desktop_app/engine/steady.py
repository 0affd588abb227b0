"""Holds still what hardly changes in a film: a small model's frames differ a little even where nothing moves."""

from __future__ import annotations

import torch
from torch import Tensor

REACH = 5
"""Side in px of the squares whose largest changes decide, so that the border of what moves is not cut."""


def steady(frames: Tensor, levels: float) -> Tensor:
    """``frames``, (n, height, width, 3) uint8, with their mean wherever none is farther than ``levels`` from it.

    Where one is twice as far, or anything near it is, the frames stay as they are; in between both count in
    proportion.
    """
    values = frames.float()
    mean = values.mean(0)
    differences = values - mean
    change = differences.abs().amax((0, 3))[None, None]
    near = torch.nn.functional.max_pool2d(change, REACH, 1, REACH // 2)
    soft = torch.nn.functional.avg_pool2d(near, REACH, 1, REACH // 2, count_include_pad=False)
    moving = (soft[0, 0] / levels - 1).clamp(0, 1)[..., None]
    return (mean + moving * differences).round().to(torch.uint8)
