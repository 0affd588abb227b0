"""Films longer than a model sees at once: overlapping windows of frames, and windows that close into a loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count

import torch
from torch import Tensor

from desktop_app.engine.guidance import Predict

_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo one, spread over the circle evenly however many are taken."""


def windowed(predict_of: Callable[[list[int]], Predict], frames: int, window: int, *, loop: bool) -> Predict:
    """The prediction for films of ``frames`` frames, in and out (1, channels, frames, height, width).

    ``predict_of`` gives that for the frames of a window, from their numbers.

    Windows of at most ``window`` frames overlap by at least a quarter of it. What they say of a frame is averaged, with
    more weight where it is in the middle of a window. With ``loop`` the windows lie on a circle and turn from
    evaluation to evaluation, so that the last frame leads to the first and no seam stays in one place.
    """
    if frames <= window and not loop:
        return predict_of(list(range(frames)))
    turns = count()

    def all_frames(film: Tensor, t: Tensor) -> Tensor:
        shift = int(next(turns) * _GOLDEN * frames) % frames if loop else 0
        total, weights = torch.zeros_like(film), torch.zeros(frames, device=film.device)
        for numbers in positions(frames, window, loop=loop, shift=shift):
            here = torch.tensor(numbers, device=film.device)
            weight = smooth_weights(len(numbers)).to(film.device)
            total[:, :, here] += predict_of(numbers)(film[:, :, here], t) * weight.view(-1, 1, 1)
            weights[here] += weight
        return total / weights.view(-1, 1, 1)

    return all_frames


def positions(frames: int, window: int, *, loop: bool, shift: int = 0) -> list[list[int]]:
    """Frame numbers of each window, in the order in which they are shown, evenly laid over ``frames``.

    With ``loop`` they go on at frame 0 after the last one, and the first window begins at frame ``shift``.
    """
    window = min(window, frames)
    stride = max(1, window - math.ceil(window / 4))
    if loop:
        number = 1 if frames == window else math.ceil(frames / stride)
        starts = [shift + index * frames // number for index in range(number)]
    else:
        number = math.ceil((frames - window) / stride)
        starts = [index * (frames - window) // max(1, number) for index in range(number + 1)]
    return [[(start + index) % frames for index in range(window)] for start in starts]


def smooth_weights(window: int) -> Tensor:
    """(window,), symmetric, largest in the middle and nowhere zero: a raised cosine."""
    return torch.sin((torch.arange(window) + 0.5) * math.pi / window) ** 2
