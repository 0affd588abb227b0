"""Denoisers that keep their weights as float8 (e4m3fn), half of half precision, and widen them layer by layer.

diffusers' layerwise casting does it: each linear layer, convolution and embedding takes its own weights to the number
format that it computes in, and back. Norms, which are small and need their digits, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from desktop_app.engine.device import Device
from desktop_app.engine.dtypes import EIGHT_BITS
from desktop_app.engine.loading import Part, build_empty


def empty_denoiser(part: Part, build: Callable[[dict[str, Any]], Any], device: Device) -> Any:
    """``build(config)``, its weights still to be filled in, which it keeps as ``device`` says. Raises ``AppError``.

    Told while it is empty, so that no weight is ever there in a wider format than it stays in.
    """
    denoiser = build_empty(part, build)
    if device.eight_bits:
        denoiser.enable_layerwise_casting(EIGHT_BITS, device.dtype)
    return denoiser
