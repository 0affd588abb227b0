"""A compact network that draws a picture four times as large, with the edges that its domain has."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from desktop_app.core.events import Loading
from desktop_app.engine.loading import Part, WeightReader, build_empty, count_weights

TILE = 256
"""Side in px of the largest piece enlarged at once: memory stays bounded for any picture."""


class Enlarger(nn.Module):
    """Convolutions at the picture's own size, then sub-pixel shuffling (Shi et al. 2016, "Real-time single image and
    video super-resolution using an efficient sub-pixel convolutional neural network"). What it learns is the
    difference from bilinear enlargement.
    """

    def __init__(self, width: int = 48, depth: int = 8, factor: int = 4) -> None:
        """``width``: channels; ``depth``: 3 × 3 convolutions between the first and the last."""
        super().__init__()
        self.factor = factor
        self.reach = depth + 2
        """How far one output pixel sees, in px of the small picture."""
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3 * factor**2, 3, padding=1), nn.PixelShuffle(factor))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (n, 3, h, w) in [-1, 1] to (n, 3, factor·h, factor·w), not clamped."""
        base = nn.functional.interpolate(x, scale_factor=self.factor, mode="bilinear")
        return base + self.body(x)


def load_enlarger(
    folder: Path, factor: int, device: torch.device, check: Callable[[], None]
) -> Generator[Loading, None, Enlarger]:
    """The network in ``folder / "enlarger"`` (``config.json``, ``model.safetensors``), in float32 on ``device``.

    ``factor`` is what the model's facts promise; ``check`` may raise between tensors. Raises ``AppError``.
    """
    part = Part(folder, "enlarger", "model")

    def build(config: dict[str, Any]) -> Enlarger:
        sizes = {name: int(config[name]) for name in ("width", "depth", "factor")}
        if min(sizes.values()) < 1 or sizes["factor"] != factor:
            raise ValueError(f"{sizes} for an enlargement of {factor} times")
        return Enlarger(**sizes)

    enlarger = build_empty(part, build)
    reader = WeightReader(count_weights([part]), check)
    yield from reader.fill(enlarger, part, device, torch.float32, str)
    return enlarger


@torch.inference_mode()
def enlarge(enlarger: Enlarger, pixels: Tensor) -> Tensor:
    """Enlarge pictures, uint8 (n, h, w, 3), piece by piece; seams do not show. Returns uint8 (n, f·h, f·w, 3)."""
    device = next(enlarger.parameters()).device
    count, height, width, _ = pixels.shape
    factor, margin = enlarger.factor, enlarger.reach  # the margin of a piece is computed and thrown away
    large = torch.empty(count, height * factor, width * factor, 3, dtype=torch.uint8)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            bottom, right = min(top + TILE, height), min(left + TILE, width)
            y0, x0 = max(0, top - margin), max(0, left - margin)
            piece = pixels[:, y0 : bottom + margin, x0 : right + margin].to(device)
            out = enlarger(piece.permute(0, 3, 1, 2).float().div(127.5).sub(1))
            out = out[..., (top - y0) * factor : (bottom - y0) * factor, (left - x0) * factor : (right - x0) * factor]
            out = out.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
            large[:, top * factor : bottom * factor, left * factor : right * factor] = out.cpu()
    return large
