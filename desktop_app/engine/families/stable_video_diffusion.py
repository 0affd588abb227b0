"""Stable Video Diffusion (Blattmann et al. 2023), picture to film: CLIP image encoder, spatio-temporal U-Net."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
from diffusers.models.unets.unet_spatio_temporal_condition import UNetSpatioTemporalConditionModel
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, pad
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.guidance_form import NONE, TWO_PASS
from desktop_app.core.request import GenerationRequest
from desktop_app.engine.device import Device
from desktop_app.engine.eight_bits import empty_denoiser
from desktop_app.engine.guidance import Predict
from desktop_app.engine.loading import Part, WeightReader, build_empty, count_weights, read_json
from desktop_app.engine.parts.autoencoder import to_pixels
from desktop_app.engine.parts.tokens import NoTexts

MIN_GUIDANCE = 1.0
"""Of the first frame, which is the picture itself; it rises evenly to the request's guidance at the last frame."""
_PREPROCESSOR = "feature_extractor/preprocessor_config.json"


@dataclass(frozen=True, slots=True)
class PictureConditioning:
    """What the U-Net is told about the film: all with a batch of one, in its dtype."""

    embedding: Tensor
    """(1, 1, width): the picture as CLIP sees it."""
    latents: Tensor
    """(1, frames, channels, height, width): the picture's latents, unscaled, the same at every frame."""
    time_ids: Tensor
    """(1, 3): frames per second less one, motion bucket and noise augmentation, as in training."""


@dataclass
class StableVideoDiffusion:
    """One loaded model; all its tensors live on ``device``.

    Latents of a film are (1, channels, frames, height, width) outside; diffusers' U-Net has frames before channels.
    """

    device: Device
    image_encoder: nn.Module
    unet: nn.Module
    vae: nn.Module
    scheduler_config: dict[str, Any]
    clip_mean: Tensor
    """(3, 1, 1), of the image encoder's normalisation for colours in [0, 1]; likewise ``clip_std``."""
    clip_std: Tensor
    clip_size: int
    """Width and height in px of what the image encoder sees."""
    latent_channels: int
    latent_shrink: int
    """Pixels per latent pixel, along each side."""
    latent_scale: float
    """The film's latents are the autoencoder's times this, of about unit variance."""
    decode_chunk: int = 14
    """Frames decoded together, as published: more are steadier from frame to frame and take more memory."""

    @classmethod
    def load(
        cls, folder: Path, device: Device, check: Callable[[], None]
    ) -> Generator[Loading, None, StableVideoDiffusion]:
        """Load the diffusers folder ``folder``; ``check`` may raise between tensors. Raises ``AppError``.

        Image encoder and autoencoder leave float32 for float16 only, and the autoencoder's encoder never: its numbers
        are too large for float16.
        """
        where = device.storage
        dtype = device.dtype if device.dtype == torch.float16 else torch.float32
        image_part = Part(folder, "image_encoder", "model")
        unet_part = Part(folder, "unet", "diffusion_pytorch_model")
        vae_part = Part(folder, "vae", "diffusion_pytorch_model")
        scheduler_config = read_json(folder, "scheduler/scheduler_config.json")
        mean, std = _clip_normalisation(folder)
        image_encoder: Any = build_empty(
            image_part, lambda config: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(config))
        )
        unet = empty_denoiser(unet_part, UNetSpatioTemporalConditionModel.from_config, device)
        vae: Any = build_empty(vae_part, AutoencoderKLTemporalDecoder.from_config)
        if unet.config.in_channels != 2 * vae.config.latent_channels:
            raise AppError("model.family", model=folder.name, kind=f"U-Net with {unet.config.in_channels} inputs")
        reader = WeightReader(count_weights([image_part, unet_part, vae_part]), check)
        yield from reader.fill(image_encoder, image_part, where, dtype, str)
        yield from reader.fill(unet, unet_part, where, device.dtype, str)
        yield from reader.fill(vae, vae_part, where, dtype, str)
        for module in (image_encoder, unet, vae):
            module.to(where)  # buffers, which are computed and not stored
        vae.encoder.float()
        vae.quant_conv.float()
        return cls(
            device=device,
            image_encoder=image_encoder,
            unet=unet,
            vae=vae,
            scheduler_config=scheduler_config,
            clip_mean=mean.to(device.torch_device),
            clip_std=std.to(device.torch_device),
            clip_size=image_encoder.config.image_size,
            latent_channels=vae.config.latent_channels,
            latent_shrink=2 ** (len(vae.config.block_out_channels) - 1),
            latent_scale=vae.config.scaling_factor,
        )

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.image_encoder, self.unet, self.vae)

    def tokenize(self, request: GenerationRequest, form: str) -> NoTexts:
        return NoTexts()

    def encode(self, texts: NoTexts) -> None:
        """Nothing: a film is conditioned on its picture, under noise of its own, in :meth:`predictor`."""

    def window(self, wanted: int) -> None:
        """None: guidance and attention speak of the film as a whole."""

    def noise(self, request: GenerationRequest, generator: torch.Generator) -> Tensor:
        """Unit noise (1, channels, frames, height, width), drawn frame by frame as diffusers' pipeline does."""
        size = (request.height // self.latent_shrink, request.width // self.latent_shrink)
        noise = torch.randn(1, request.frames, self.latent_channels, *size, generator=generator)
        return noise.transpose(1, 2).to(self.device.torch_device)

    start_noise = noise

    @torch.inference_mode()
    def predictor(
        self,
        conditioning: None,
        request: GenerationRequest,
        form: str,
        start: Tensor | None,
        generator: torch.Generator,
    ) -> Predict:
        """The guided prediction for a film of the picture ``start``, (1, 3, height, width) in [-1, 1] on the CPU."""
        assert start is not None  # the family's facts ask for one
        return _guided(self._evaluate, self._told(start, request, generator), request.guidance_scale, form)

    def _told(self, picture: Tensor, request: GenerationRequest, generator: torch.Generator) -> PictureConditioning:
        where, dtype = self.device.torch_device, self.device.dtype
        augmented = picture + request.noise_augmentation * torch.randn(picture.shape, generator=generator)
        latents = self._distribution(augmented).mode().to(dtype)
        time_ids = [[request.fps - 1, request.motion_bucket, request.noise_augmentation]]
        return PictureConditioning(
            embedding=self._embed(picture.to(where)),
            latents=latents[:, None].expand(-1, request.frames, -1, -1, -1),
            time_ids=torch.tensor(time_ids, dtype=dtype, device=where),
        )

    def _distribution(self, pictures: Tensor) -> Any:
        """What the autoencoder makes of ``pictures``, (n, 3, height, width) in [-1, 1]."""
        # In memory as pictures come from a file: another order of the channels changes the last digits.
        pictures = pictures.to(self.device.torch_device).clone(memory_format=torch.channels_last)
        vae: Any = self.vae
        return vae.encode(pictures).latent_dist

    def _embed(self, picture: Tensor) -> Tensor:
        """(1, 1, width): ``picture``, (1, 3, height, width) in [-1, 1], as CLIP sees it."""
        encoder: Any = self.image_encoder
        seen = (smooth_resize(picture, self.clip_size) + 1) / 2
        normalised = ((seen - self.clip_mean) / self.clip_std).to(encoder.dtype)
        return encoder(normalised).image_embeds[:, None].to(self.device.dtype)

    def _evaluate(self, model_input: Tensor, t: Tensor, told: PictureConditioning) -> Tensor:
        """One evaluation of the U-Net; float32 in and out, whatever its own dtype."""
        frames_first = torch.cat([model_input.transpose(1, 2).to(self.device.dtype), told.latents], dim=2)
        prediction = self.unet(frames_first, t, told.embedding, told.time_ids, return_dict=False)[0]
        return prediction.transpose(1, 2).float()

    @torch.inference_mode()
    def encode_start(self, start: Tensor, generator: torch.Generator) -> Tensor:
        """Latents (1, channels, frames, height, width) of ``start``, (frames, 3, height, width) in [-1, 1]."""
        return (self.latent_scale * self._distribution(start).sample(generator)).transpose(0, 1)[None]

    def tiles(self) -> AbstractContextManager[bool]:
        """It cannot: diffusers' temporal decoder knows no tiles."""
        return nullcontext(False)

    @torch.inference_mode()
    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Mean latents, in the film's scale, of pictures (n, 3, height, width) in [-1, 1], each by itself."""
        return self._distribution(pictures).mean * self.latent_scale

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Frames (frames, height, width, 3), uint8 on the CPU, all of ``latents`` together.

        Raises ``ArithmeticError`` when they are not finite. An autoencoder that overflows in float16 is moved to
        float32 for good.
        """
        frames = 1 / self.latent_scale * latents[0].transpose(0, 1)
        pixels = self._decode(frames)
        if pixels.dtype == torch.float16 and not pixels.isfinite().all():
            self.vae.float()
            pixels = self._decode(frames)
        return to_pixels(pixels)

    def _decode(self, frames: Tensor) -> Tensor:
        vae: Any = self.vae
        dtype = vae.decoder.conv_in.weight.dtype
        return vae.decode(frames.to(dtype), num_frames=len(frames), return_dict=False)[0]


def _guided(
    evaluate: Callable[[Tensor, Tensor, PictureConditioning], Tensor],
    told: PictureConditioning,
    guidance_scale: float,
    form: str,
) -> Predict:
    """Guidance away from what the U-Net says of no picture at all, neither as CLIP sees it nor in its latents."""
    if form == NONE:
        return lambda latents, t: evaluate(latents, t, told)
    untold = PictureConditioning(torch.zeros_like(told.embedding), torch.zeros_like(told.latents), told.time_ids)
    frames = told.latents.shape[1]
    scale = torch.linspace(MIN_GUIDANCE, guidance_scale, frames).view(1, 1, -1, 1, 1).to(told.latents.device)

    def combine(unconditional: Tensor, conditional: Tensor) -> Tensor:
        return unconditional + scale * (conditional - unconditional)

    if form == TWO_PASS:
        return lambda latents, t: combine(evaluate(latents, t, untold), evaluate(latents, t, told))
    both = PictureConditioning(
        torch.cat([untold.embedding, told.embedding]),
        torch.cat([untold.latents, told.latents]),
        torch.cat([untold.time_ids, told.time_ids]),
    )
    return lambda latents, t: combine(*evaluate(torch.cat([latents, latents]), t, both).chunk(2))


def _clip_normalisation(folder: Path) -> tuple[Tensor, Tensor]:
    """Mean and deviation, each (3, 1, 1), that the image encoder's colours are brought to. Raises ``AppError``."""
    config = read_json(folder, _PREPROCESSOR)
    try:
        mean, std = (
            torch.tensor(config[name], dtype=torch.float32).view(3, 1, 1) for name in ("image_mean", "image_std")
        )
        if not (std > 0).all():
            raise ValueError("image_std is not positive")
    except (KeyError, TypeError, ValueError, RuntimeError) as problem:
        reason = f"cannot be used ({problem})"
        raise AppError("model.damaged", model=folder.name, file=_PREPROCESSOR, reason=reason) from problem
    return mean, std


def smooth_resize(pictures: Tensor, size: int) -> Tensor:
    """``pictures``, (n, 3, height, width), resized to ``size`` × ``size`` px without aliasing, as in training.

    A Gaussian of half a pixel per shrinking factor beyond one (two deviations to either side) before bicubic sampling.
    """
    for dim, length in ((3, pictures.shape[3]), (2, pictures.shape[2])):
        sigma = max((length / size - 1) / 2, 0.001)
        width = int(max(4 * sigma, 3)) | 1
        pictures = _blur(pictures, _gaussian(width, sigma).to(pictures), dim)
    return interpolate(pictures, size=(size, size), mode="bicubic", align_corners=True)


def _gaussian(width: int, sigma: float) -> Tensor:
    """``width`` (odd) weights that add up to one."""
    offsets = torch.arange(width, dtype=torch.float32) - width // 2
    weights = torch.exp(-offsets.pow(2) / (2 * torch.tensor(sigma).pow(2)))
    return weights / weights.sum()


def _blur(pictures: Tensor, kernel: Tensor, dim: int) -> Tensor:
    """``pictures`` filtered along ``dim`` (2 or 3), reflected at the borders."""
    half, channels = len(kernel) // 2, pictures.shape[1]
    across = dim == 3
    padded = pad(pictures, (half, half, 0, 0) if across else (0, 0, half, half), mode="reflect")
    weights = kernel.view(1, 1, 1, -1) if across else kernel.view(1, 1, -1, 1)
    return conv2d(padded, weights.expand(channels, 1, -1, -1), groups=channels)
