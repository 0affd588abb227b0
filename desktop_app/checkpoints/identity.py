"""What a weights file or model folder is, as plain data: found from names and shapes before anything loads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from desktop_app.core.messages import Message

UNKNOWN = "unknown"
"""An answer, for kind and architecture alike: better than a guess."""

KINDS: dict[str, str] = {
    "checkpoint": "Checkpoint",
    "denoiser": "U-Net or transformer",
    "vae": "Autoencoder (VAE)",
    "tiny-vae": "Tiny autoencoder",
    "text-encoder": "Text encoder",
    "lora": "LoRA",
    "lycoris": "LyCORIS",
    "embedding": "Embedding",
    "controlnet": "ControlNet",
    "ip-adapter": "IP-Adapter",
    "t2i-adapter": "T2I-Adapter",
    "upscaler": "Upscaler",
    "motion-module": "Motion module",
    UNKNOWN: "Unknown",
}
"""Kind: how people call it."""

ARCHITECTURES: dict[str, str] = {
    "sd-1": "Stable Diffusion 1",
    "sd-2": "Stable Diffusion 2",
    "sdxl": "Stable Diffusion XL",
    "sdxl-refiner": "Stable Diffusion XL refiner",
    "sd-3": "Stable Diffusion 3",
    "flux-1": "FLUX.1",
    "flux-2": "FLUX.2",
    "qwen-image": "Qwen-Image",
    "z-image": "Z-Image",
    "wan-2": "Wan 2",
    "ltx": "LTX-Video",
    "ltx-2": "LTX-2",
    "hunyuan-video": "HunyuanVideo",
    "hunyuan-video-1.5": "HunyuanVideo 1.5",
    "cogvideox": "CogVideoX",
    "mochi": "Mochi 1",
    "cosmos": "Cosmos-Predict",
    "svd": "Stable Video Diffusion",
    "modelscope": "ModelScope text-to-video",
    "sana": "Sana",
    "pixart": "PixArt",
    "aura-flow": "AuraFlow",
    "lumina-2": "Lumina Image 2",
    "chroma": "Chroma",
    "hidream": "HiDream-I1",
    "omnigen": "OmniGen",
    "hunyuan-dit": "Hunyuan-DiT",
    "kolors": "Kolors",
    "kandinsky-2": "Kandinsky 2.2",
    "kandinsky-3": "Kandinsky 3",
    "kandinsky-5": "Kandinsky 5",
    "stable-cascade-b": "Stable Cascade, stage B",
    "stable-cascade-c": "Stable Cascade, stage C",
    "wuerstchen": "Würstchen",
    UNKNOWN: "Unknown",
}
"""Architecture that a file belongs to or was made for: how people call it."""


PARTS: dict[str, str] = {
    "denoiser": "U-Net or transformer",
    "vae": "autoencoder (VAE)",
    "text-encoder": "text encoder",
    "text-encoder-2": "second text encoder",
    "text-encoder-3": "third text encoder",
    "image-encoder": "image encoder",
}
"""Part of a whole model: how people call it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One file, or one folder in the layout of diffusers."""

    path: Path
    kind: str = UNKNOWN
    """A key of :data:`KINDS`."""
    architecture: str = UNKNOWN
    """A key of :data:`ARCHITECTURES`."""
    variant: str = ""
    """"inpainting" or "edit" if a U-Net takes more than latents; of a LoRA the kind of change that cannot be made
    here, such as "OFT"; else ""."""
    dtype: str = ""
    """Number format of most of the bytes, as torch calls it: "float16", "bfloat16", "float8_e4m3fn", …"""
    quantisation: str = ""
    """"" or what the weights are packed in: "scaled fp8", "nf4", "GGUF", …"""
    format: str = "safetensors"
    """How it is written down: "safetensors", "GGUF" or "pickle"."""
    parameters: int = 0
    size: int = 0
    """Bytes on disk."""
    parts: tuple[str, ...] = ()
    """What of "denoiser", "vae", "text-encoder", "text-encoder-2", "text-encoder-3", "image-encoder" is inside."""
    missing: tuple[str, ...] = ()
    """Parts that a picture needs and that must come from elsewhere."""
    prediction: str = ""
    """"epsilon", "v_prediction" or "flow" where the file says so, else ""."""
    title: str = ""
    """Name that the file gives itself, if it does."""
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the file says of itself (``modelspec.*``, ``ss_*``); shapes win where the two disagree."""
    problem: Message | None = field(default=None, hash=False)
    """Why it cannot be used; None if nothing is known against it."""
