"""Live preview: one matrix product turns the denoised estimate into a small picture.

The autoencoder's latents are nearly linear in colour, so ``rgb = latent @ factors + bias`` per latent pixel shows the
scene at latent resolution for a tenth of a millisecond, where decoding would take longer than a step. The factors come
from the model's facts file, or are fitted to its autoencoder once and kept.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from desktop_app.core.catalog import PreviewFactors
from desktop_app.core.files import replace_file
from desktop_app.core.frames import Frames
from desktop_app.engine.parts.tiny_autoencoder import TinyAutoencoder

INTERVAL = 0.1
"""Seconds between two previews, at least: the eye wants no more, and each one travels to the window."""
MAX_BYTES = 1 << 20
"""Of one preview; 16 frames at 512 × 512 px take a fifth of it. Longer and larger films are shown smaller."""
FIT_SIZE = 128
"""Width and height in px of the pictures the factors are fitted on."""
FIT_PICTURES = 4


class Previewer:
    """Paints denoised estimates, at most one every :data:`INTERVAL` seconds."""

    def __init__(self, factors: PreviewFactors, device: torch.device) -> None:
        self._factors = torch.tensor(factors.factors, dtype=torch.float32, device=device)
        self._bias = torch.tensor(factors.bias, dtype=torch.float32, device=device)
        self._last = float("-inf")

    def paint(self, estimate: Tensor, *, always: bool = False) -> Frames | None:
        """``estimate``, in the denoiser's scale, as frames of its height and width, or smaller: :data:`MAX_BYTES`.

        One frame of (1, channels, height, width), all of (1, channels, frames, height, width). None when the
        last preview was too recent, unless ``always``.
        """
        now = time.monotonic()
        if not always and now - self._last < INTERVAL:
            return None
        self._last = now
        latents = estimate if estimate.dim() == 4 else estimate[0].transpose(0, 1)
        rgb = _bounded(latents.float()).movedim(1, -1) @ self._factors + self._bias
        pixels = ((rgb + 1) * 127.5).clamp(0, 255).to(torch.uint8).cpu()
        count, height, width, _ = pixels.shape
        return Frames(count, height, width, pixels.numpy().tobytes())


class SharpPreviewer:
    """Decodes denoised estimates with a tiny autoencoder, at most one every ``interval`` seconds; films as before.

    Nothing is shown in between: a preview that goes back and forth between sharp and soft is worse than a late one.
    """

    def __init__(self, soft: Previewer, tiny: TinyAutoencoder, interval: float) -> None:
        self._soft, self._tiny, self._interval = soft, tiny, interval
        self._last = float("-inf")

    def paint(self, estimate: Tensor, *, always: bool = False) -> Frames | None:
        """``estimate`` as :meth:`Previewer.paint` has it, in the size of the finished picture, or smaller."""
        if estimate.dim() == 5:
            return self._soft.paint(estimate, always=always)
        now = time.monotonic()
        if not always and now - self._last < self._interval:
            return None
        pixels = self._tiny.decode(estimate / self._tiny.scale)
        self._last = time.monotonic()  # after it: on a processor one takes a while
        shown = _bounded(pixels.movedim(-1, 1).float()).movedim(1, -1).round().to(torch.uint8)
        count, height, width, _ = shown.shape
        return Frames(count, height, width, shown.contiguous().numpy().tobytes())


def _bounded(latents: Tensor) -> Tensor:
    """``latents``, (frames, channels, height, width), averaged over squares as large as :data:`MAX_BYTES` asks for."""
    count, _, height, width = latents.shape
    side = math.ceil((3 * count * height * width / MAX_BYTES) ** 0.5)
    side = min(side, height, width)
    return torch.nn.functional.avg_pool2d(latents, side) if side > 1 else latents


def fitted_factors(encode: Callable[[Tensor], Tensor], file: Path) -> PreviewFactors:
    """Factors for the autoencoder behind ``encode``, read from ``file`` or fitted and kept there.

    ``encode`` maps pictures (n, 3, height, width) in [-1, 1] to latents (n, channels, height / k, width / k) in the
    denoiser's scale.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        stored = json.loads(file.read_text(encoding="utf-8"))
        red, green, blue = stored["bias"]
        return PreviewFactors(tuple((r, g, b) for r, g, b in stored["factors"]), (red, green, blue))
    factors = fit(encode)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs one fit per start
        replace_file(file, json.dumps({"factors": factors.factors, "bias": factors.bias}).encode())
    return factors


@torch.inference_mode()
def fit(encode: Callable[[Tensor], Tensor]) -> PreviewFactors:
    """Least squares of colour on latents over a few pictures of soft colour fields and flat blocks."""
    pictures = _colour_fields()
    latents = encode(pictures).float().cpu()
    rows = latents.movedim(1, -1).flatten(0, -2)
    shrunk = torch.nn.functional.interpolate(pictures, size=latents.shape[-2:], mode="area")
    colours = shrunk.movedim(1, -1).flatten(0, -2)
    rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
    # A little ridge keeps the system solvable when a channel says nothing (dead channels, random weights).
    square = rows.T @ rows + 1e-4 * len(rows) * torch.eye(rows.shape[1])
    solution = torch.linalg.solve(square.double(), (rows.T @ colours).double()).tolist()
    red, green, blue = solution[-1]
    return PreviewFactors(tuple((r, g, b) for r, g, b in solution[:-1]), (red, green, blue))


def _colour_fields() -> Tensor:
    """(:data:`FIT_PICTURES`, 3, :data:`FIT_SIZE`, :data:`FIT_SIZE`) in [-1, 1], always the same ones."""
    generator = torch.Generator().manual_seed(0)
    size = (FIT_SIZE, FIT_SIZE)
    coarse = torch.rand(FIT_PICTURES, 3, 4, 4, generator=generator) * 2 - 1
    blocks = torch.rand(FIT_PICTURES, 3, 4, 4, generator=generator) * 2 - 1
    soft = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(-1, 1)
    flat = torch.nn.functional.interpolate(blocks, size=size, mode="nearest")
    half = FIT_PICTURES // 2
    return torch.cat([soft[:half], flat[half:]])
