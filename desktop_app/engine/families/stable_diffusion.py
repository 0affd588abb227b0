"""Stable Diffusion 1 and 2 (Rombach et al. 2022): CLIP text encoder, U-Net, KL autoencoder."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from desktop_app.core.errors import AppError
from desktop_app.core.events import Loading
from desktop_app.core.messages import Message
from desktop_app.engine.device import Device
from desktop_app.engine.guidance import Conditioning
from desktop_app.engine.loading import Part, WeightReader, build_empty, count_weights, load_tokenizer, read_json

_OLD_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids and attention mask, each (1, tokens), and how many words of the text were left out."""

    ids: Tensor
    mask: Tensor
    words_cut: int


@dataclass
class StableDiffusion:
    """One loaded model; all its tensors live on ``device``."""

    device: Device
    tokenizer: CLIPTokenizer
    text_encoder: nn.Module
    unet: nn.Module
    vae: nn.Module
    scheduler_config: dict[str, Any]
    """Of the model's own scheduler, which knows how the model was trained."""
    masks_padding: bool
    """Whether the text encoder hides padding from itself; that of Stable Diffusion does not."""
    max_tokens: int
    """The text encoder reads so many, start and end marker included."""
    latent_channels: int
    latent_shrink: int
    """Pixels per latent pixel, along each side."""
    latent_scale: float
    """The U-Net works on the autoencoder's latents times this, of about unit variance."""

    @classmethod
    def load(cls, folder: Path, device: Device, check: Callable[[], None]) -> Generator[Loading, None, StableDiffusion]:
        """Load the diffusers folder ``folder``; ``check`` may raise between tensors. Raises ``AppError``.

        Text encoder and autoencoder leave float32 for float16 only: bfloat16 has too few digits for 256 shades, and
        where it is used, on a CPU, they take a small part of the time.
        """
        where = device.torch_device
        dtype = device.dtype if device.dtype == torch.float16 else torch.float32
        text_part = Part(folder, "text_encoder", "model")
        unet_part = Part(folder, "unet", "diffusion_pytorch_model")
        vae_part = Part(folder, "vae", "diffusion_pytorch_model")
        scheduler_config = read_json(folder, "scheduler/scheduler_config.json")
        text_encoder: Any = build_empty(text_part, lambda config: CLIPTextModel(CLIPTextConfig.from_dict(config)))
        unet: Any = build_empty(unet_part, UNet2DConditionModel.from_config)
        vae: Any = build_empty(vae_part, AutoencoderKL.from_config)
        tokenizer = load_tokenizer(folder, text_encoder.config.vocab_size)
        if unet.config.in_channels != vae.config.latent_channels:
            raise AppError("model.family", model=folder.name, kind=f"U-Net with {unet.config.in_channels} inputs")
        reader = WeightReader(count_weights([text_part, unet_part, vae_part]), check)
        yield from reader.fill(text_encoder, text_part, where, dtype, _today_text)
        yield from reader.fill(unet, unet_part, where, device.dtype, str)
        yield from reader.fill(vae, vae_part, where, dtype, _today_vae)
        for module in (text_encoder, unet, vae):
            module.to(where)  # buffers, which are computed and not stored
        return cls(
            device=device,
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            unet=unet,
            vae=vae,
            scheduler_config=scheduler_config,
            masks_padding=getattr(text_encoder.config, "use_attention_mask", False),
            max_tokens=min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings),
            latent_channels=unet.config.in_channels,
            latent_shrink=2 ** (len(vae.config.block_out_channels) - 1),
            latent_scale=vae.config.scaling_factor,
        )

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.text_encoder, self.unet, self.vae)

    def tokenize(self, text: str) -> Tokens:
        """Token ids of ``text``, cut at the encoder's limit. Markers such as "<|endoftext|>" are read as text."""
        whole = self.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True, verbose=False
        )
        room = self.max_tokens - 2
        cut = text[whole["offset_mapping"][room][0] :] if len(whole["input_ids"]) > room else ""
        padded = self.tokenizer(
            text,
            padding="max_length",
            max_length=self.max_tokens,
            truncation=True,
            return_tensors="pt",
            split_special_tokens=True,
        )
        return Tokens(padded.input_ids, padded.attention_mask, len(cut.split()))

    @torch.inference_mode()
    def encode(self, prompt: Tokens, negative: Tokens | None) -> Conditioning:
        """Text embeddings as diffusers' ``encode_prompt`` makes them, in the U-Net's dtype."""
        return Conditioning(self._embed(prompt), self._embed(negative) if negative else None)

    def _embed(self, tokens: Tokens) -> Tensor:
        where = self.device.torch_device
        mask = tokens.mask.to(where) if self.masks_padding else None
        return self.text_encoder(tokens.ids.to(where), attention_mask=mask)[0].to(self.device.dtype)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """(1, channels, height, width) of the latents of a picture of ``width`` × ``height`` px."""
        return (1, self.latent_channels, height // self.latent_shrink, width // self.latent_shrink)

    def evaluate(self, model_input: Tensor, t: Tensor, embeddings: Tensor) -> Tensor:
        """One evaluation of the U-Net; float32 in and out, whatever its own dtype."""
        model_input = model_input.to(self.device.dtype)
        return self.unet(model_input, t, encoder_hidden_states=embeddings, return_dict=False)[0].float()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (1, height, width, 3), uint8 on the CPU. Raises ``ArithmeticError`` when they are not finite.

        An autoencoder that overflows in float16 is moved to float32 for good.
        """
        pixels = self._decode(latents)
        if pixels.dtype == torch.float16 and not pixels.isfinite().all():
            self.vae.float()
            pixels = self._decode(latents)
        if not pixels.isfinite().all():
            raise ArithmeticError("the decoded picture is not finite")
        pixels = (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).float().cpu()
        return (pixels * 255).round().to(torch.uint8)

    def _decode(self, latents: Tensor) -> Tensor:
        vae: Any = self.vae
        return vae.decode((latents / self.latent_scale).to(vae.dtype), return_dict=False)[0]

    @torch.inference_mode()
    def encode_pictures(self, pictures: Tensor) -> Tensor:
        """Mean latents, in the U-Net's scale, of pictures (n, 3, height, width) in [-1, 1]."""
        vae: Any = self.vae
        return vae.encode(pictures.to(self.device.torch_device, vae.dtype)).latent_dist.mean * self.latent_scale


def notices(prompt: Tokens, negative: Tokens | None) -> list[Message]:
    """What was left out of the texts."""
    texts = (("prompt.cut", prompt), ("negative-prompt.cut", negative))
    return [Message(id, {"words": tokens.words_cut}) for id, tokens in texts if tokens and tokens.words_cut]


def _today_text(name: str) -> str:
    """transformers 5 dropped the prefix that earlier files carry."""
    return name.removeprefix("text_model.")


def _today_vae(name: str) -> str:
    """diffusers renamed the attention of the autoencoder; most files of Stable Diffusion 1 have the old names."""
    if ".attentions." in name:
        for old, new in _OLD_ATTENTION.items():
            name = name.replace(old, new)
    return name
