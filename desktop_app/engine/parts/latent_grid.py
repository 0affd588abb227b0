"""The latents of any pipeline as a grid of pixels, and what an autoencoder makes of a picture, for the preview."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

CODERS: dict[str, bool] = {
    # class: whether it takes films, (n, 3, frames, height, width), where a picture is one frame
    "AutoencoderKL": False,
    "AutoencoderDC": False,
    "AutoencoderKLWan": True,
    "AutoencoderKLQwenImage": True,
    "AutoencoderKLLTXVideo": True,
    "AutoencoderKLHunyuanVideo": True,
    "AutoencoderKLCogVideoX": True,
}
"""Autoencoders whose latents are those of the denoiser but for scale and shift; of the others there is no preview."""
_USUAL_SHRINK = 8


def latent_channels(vae: Any) -> int | None:
    """Of an autoencoder of :data:`CODERS`; None of any other."""
    if type(vae).__name__ not in CODERS:
        return None
    return vae.config.get("latent_channels") or vae.config.get("z_dim")


def as_grid(latents: Tensor, channels: int, width: int, height: int, frames: int = 1) -> Tensor | None:
    """``latents`` as (1, channels, height, width), or (1, channels, frames, height, width) of a film.

    Some pipelines have frames before channels, some one token, (1, tokens, numbers), for every square of latent
    pixels. ``width`` and ``height`` are the picture's, in any unit; ``frames`` counts those of the latents. None for
    any other shape.
    """
    if latents.dim() == 5:
        ordered = latents if latents.shape[1] == channels else latents.transpose(1, 2)
        return ordered if ordered.shape[1] == channels else None
    if latents.dim() == 4:
        return latents if latents.shape[1] == channels else None
    return _from_tokens(latents, channels, width, height, frames) if latents.dim() == 3 else None


def _from_tokens(tokens: Tensor, channels: int, width: int, height: int, frames: int) -> Tensor | None:
    count, numbers = tokens.shape[1:]
    patch = math.isqrt(numbers // channels)
    side = math.sqrt(width * height * frames / count)
    rows, columns = round(height / side), round(width / side)
    if (frames * rows * columns, channels * patch**2) != (count, numbers):
        return None
    squares = tokens.unflatten(2, (channels, patch, patch)).unflatten(1, (frames, rows, columns))
    film = squares.permute(0, 4, 1, 2, 5, 3, 6).flatten(5, 6).flatten(3, 4)
    return film if frames > 1 else film[:, :, 0]


@torch.inference_mode()
def encode_pictures(vae: Any, pictures: Tensor, device: torch.device) -> Tensor:
    """Mean latents (n, channels, height, width) of ``pictures``, (n, 3, height, width) in [-1, 1], as the denoiser's.

    Pictures are enlarged first for an autoencoder that shrinks more than the usual eight times.
    """
    films = CODERS[type(vae).__name__]
    times = max(1, getattr(vae, "spatial_compression_ratio", _USUAL_SHRINK) // _USUAL_SHRINK)
    pictures = interpolate(pictures, scale_factor=times) if times > 1 else pictures
    pictures = pictures.to(device, vae.dtype)
    encoded = vae.encode(pictures.unsqueeze(2) if films else pictures)
    latents = encoded.latent if hasattr(encoded, "latent") else encoded.latent_dist.mode()
    return _scaled(vae, latents[:, :, 0] if films else latents).float()


def _scaled(vae: Any, latents: Tensor) -> Tensor:
    """``latents`` of the autoencoder in the scale of the denoiser's, which its config notes in one of two ways."""
    config, buffers = vae.config, dict(vae.named_buffers())
    scale, shift = config.get("scaling_factor") or 1.0, config.get("shift_factor") or 0.0
    mean, std = (buffers.get(name, config.get(name)) for name in ("latents_mean", "latents_std"))
    if mean is None or std is None:
        return (latents - shift) * scale
    mean, std = (torch.as_tensor(values).to(latents).view(1, -1, 1, 1) for values in (mean, std))
    return (latents - mean) / std * scale


def straight_on(scheduler: Any, before: Tensor | None, latents: Tensor, index: int) -> Tensor | None:
    """Where a straight line through the last two ``latents`` comes to at no noise: an estimate of the finished ones.

    Exactly the denoised estimate where the step ``index`` (from 0) of ``scheduler`` was one of Euler's or DDIM's;
    ``before`` are the latents before it. None before the second step, and where the noise levels are not known.
    """
    now = _noised(scheduler, latents, index + 1)
    then = None if before is None else _noised(scheduler, before, index)
    if now is None or now[1] == 0:
        return now and now[0]
    if then is None or then[1] == now[1]:
        return None
    (noisy, sigma), (noisier, higher) = now, then
    return noisy - (noisy - noisier) * sigma / (sigma - higher)


def _noised(scheduler: Any, latents: Tensor, index: int) -> tuple[Tensor, float] | None:
    """``latents`` before step ``index`` as x₀ + sigma · noise, and sigma; in flow matching, where a line through them
    leads to x₀ all the same, as they are. None where ``scheduler`` does not say."""
    flow = "FlowMatch" in type(scheduler).__name__ or scheduler.config.get("use_flow_sigmas")
    if flow or getattr(scheduler, "init_noise_sigma", 1) != 1:
        return (latents, float(scheduler.sigmas[index])) if index < len(scheduler.sigmas) else None
    if not hasattr(scheduler, "alphas_cumprod") or index > len(scheduler.timesteps):
        return None
    if index == len(scheduler.timesteps):
        return latents, 0.0
    alpha_squared = float(scheduler.alphas_cumprod[int(scheduler.timesteps[index])])
    return latents / alpha_squared**0.5, ((1 - alpha_squared) / alpha_squared) ** 0.5
