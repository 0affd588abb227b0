"""Which parts a picture or film needs, by architecture, and where a single file keeps them."""

from __future__ import annotations

from collections.abc import Mapping

from desktop_app.checkpoints.contents import Contents

_VAE = ("first_stage_model.", "vae.")
_CLIP_L = ("text_encoders.clip_l.",)
_T5 = ("text_encoders.t5xxl.",)
_ANY_TEXT = ("text_encoders.",)
_EMBEDDER_0, _EMBEDDER_1 = ("conditioner.embedders.0.",), ("conditioner.embedders.1.",)

PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sd-1": {"vae": _VAE, "text-encoder": ("cond_stage_model.",)},
    "sd-2": {"vae": _VAE, "text-encoder": ("cond_stage_model.",)},
    "sdxl": {"vae": _VAE, "text-encoder": _EMBEDDER_0, "text-encoder-2": _EMBEDDER_1},
    "sdxl-refiner": {"vae": _VAE, "text-encoder-2": _EMBEDDER_0},  # it reads by the larger of the two alone
    "sd-3": {"vae": _VAE, "text-encoder": _CLIP_L, "text-encoder-2": ("text_encoders.clip_g.",), "text-encoder-3": _T5},
    "flux-1": {"vae": _VAE, "text-encoder": _CLIP_L, "text-encoder-2": _T5},
    "flux-2": {"vae": _VAE, "text-encoder": _ANY_TEXT},
    "qwen-image": {"vae": _VAE, "text-encoder": _ANY_TEXT},
    "z-image": {"vae": _VAE, "text-encoder": _ANY_TEXT},
    "wan-2": {"vae": _VAE, "text-encoder": _ANY_TEXT},
    "ltx": {"vae": _VAE, "text-encoder": _ANY_TEXT},
    "hunyuan-video": {"vae": _VAE, "text-encoder": ("text_encoders.llama.",), "text-encoder-2": _CLIP_L},
    "svd": {"vae": _VAE, "image-encoder": _EMBEDDER_0},
    "modelscope": {"vae": _VAE, "text-encoder": ("cond_stage_model.",)},
    "hunyuan-video-1.5": {"vae": _VAE, "text-encoder": _ANY_TEXT},
    "hunyuan-dit": {
        "vae": _VAE,
        "text-encoder": ("text_encoders.hydit_clip.",),
        "text-encoder-2": ("text_encoders.mt5xl.",),
    },
    "hidream": {
        "vae": _VAE,
        "text-encoder": _CLIP_L,
        "text-encoder-2": ("text_encoders.clip_g.",),
        "text-encoder-3": _T5,
    },
    "kandinsky-5": {"vae": _VAE, "text-encoder": ("text_encoders.qwen",), "text-encoder-2": _CLIP_L},
    "omnigen": {"vae": _VAE},
    **{
        architecture: {"vae": _VAE, "text-encoder": _ANY_TEXT}
        for architecture in (
            *("ltx-2", "cogvideox", "mochi", "cosmos", "sana", "pixart", "aura-flow", "lumina-2", "chroma"),
            *("kolors", "kandinsky-3"),
        )
    },
}
"""Architecture: part: beginnings of its names in a single file."""

_OPTIONAL = {"sd-3": {"text-encoder-3"}}
"""Parts that a picture does without, if somewhat worse."""


def find_parts(contents: Contents, architecture: str) -> tuple[str, ...]:
    """The parts beside the denoiser that ``contents`` hold."""
    return tuple(part for part, prefixes in PARTS.get(architecture, {}).items() if contents.starts(*prefixes))


def missing_parts(architecture: str, present: tuple[str, ...]) -> tuple[str, ...]:
    """The parts that a picture needs beside those that are ``present``, in the order of the architecture."""
    needed = ("denoiser", *PARTS[architecture]) if architecture in PARTS else ()
    without = {*present, *_OPTIONAL.get(architecture, ())}
    return tuple(part for part in needed if part not in without)
