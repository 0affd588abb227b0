"""LoRA and LyCORIS: which architecture they were made for, from the names and widths of the layers they change.

Names come as kohya's (``lora_unet_down_blocks_0_…``), diffusers' (``unet.down_blocks.0.…``) and PEFT's
(``base_model.model.…``); with dots as underscores and prefixes away they are the denoiser's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from desktop_app.checkpoints.contents import Contents
from desktop_app.checkpoints.identity import UNKNOWN

_CHANGE = re.compile(r"[._](?=(lora[_.]|hada_|lokr_|oft_|alpha$|dora_scale|diff$|diff_b$|on_input$))")
"""Where a layer's name ends and what changes it begins."""
_LORA = re.compile(r"[._]lora([12]?\.down|_down|_A|_linear_layer\.down)(\.default)?\.weight$")
_LYCORIS = re.compile(r"\.(hada_w|lokr_w|oft_|boft_|ia3_|lora_mid\.|on_input$|diff$|w_norm$)")
_OTHERS = {
    "oft": "OFT",
    "boft": "BOFT",
    "ia3": "IA3",
    "on_input": "IA3",
    "diff": "full difference",
    "w_norm": "norms",
}
"""Changes that the engine cannot make, by how the names of their tensors begin after the layer's."""
_OTHER = re.compile(rf"[._]({'|'.join(_OTHERS)})(_\w+)?(\.default)?(\.weight)?$")
_PREFIX = re.compile(
    r"^(base_model\.model\.|lora_unet_|lora_transformer_|lycoris_(unet_)?|unet\.|transformer\.|model\.|diffusion_model\.)+"
)
_INPUT_SIDE = re.compile(
    r"lora(_down|_A|\.down|_linear_layer\.down)(\.default)?\.weight$|hada_w1_b$|lokr_w1(_b)?$|lokr_w2(_b)?$"
)
"""Matrices whose second axis is the layer's input, or (of a Kronecker product) one factor of it."""

_CROSS_WIDTHS = {768: "sd-1", 1024: "sd-2", 2048: "sdxl", 1280: "sdxl-refiner"}
"""Width of the text that a U-Net's cross attention reads."""
_TEXT_WIDTHS = {768: "sd-1", 1024: "sd-2"}
"""Width of the only text encoder."""
_JOINT_WIDTHS = {1536: "sd-3", 2432: "sd-3", 3072: "qwen-image"}
"""Width of transformers whose blocks all see text and picture together."""
_TWO_STREAM_WIDTHS = {3072: "flux-1", 4096: "flux-2", 6144: "flux-2"}
_CROSS_WIDTHS_OF_FILMS = {1024: "cosmos", 2048: "ltx"}
"""Width of the text that these transformers read; 4096 are LTX-Video of 13 thousand million and LTX-2 alike."""
_Z_IMAGE_WIDTHS = {3840: "z-image"}

_OWN_NAMES = (
    ("sd-1", r"motion_modules_"),
    ("flux-2", r"^single_transformer_blocks_\d+_attn_to_qkv_mlp_proj|^transformer_blocks_\d+_ff_linear_in"),
    ("flux-2", r"^(single_stream_modulation|double_stream_modulation)"),
    ("hunyuan-video", r"individual_token_refiner|context_embedder_token_refiner"),
    ("hunyuan-video", r"^double_blocks_19_|^single_blocks_3[89]_|^single_transformer_blocks_3[89]_"),
    ("qwen-image", r"^transformer_blocks_\d+_(img|txt)_(mod_1|mlp)"),
    ("sd-3", r"^joint_blocks_\d+_"),
    ("wan-2", r"^blocks_\d+_(cross_attn|self_attn)_[qkvo]$|^blocks_\d+_attn[12]_to_"),
    ("ltx-2", r"^transformer_blocks_\d+_(audio_attn|audio_to_video_attn|video_to_audio_attn)"),
    ("sdxl", r"^(lora_te2_|text_encoder_2_)"),
    ("flux-1", r"^double_blocks_\d+_processor_"),
)
"""Layers that only one architecture has (HunyuanVideo: one block more than FLUX.1's 19 double and 38 single ones; XLabs
makes processors for FLUX.1 alone)."""
_WIDE_NAMES = (
    (_TWO_STREAM_WIDTHS, r"^(double_blocks_\d+_img_attn_qkv|single_blocks_\d+_linear1)$"),
    (_TWO_STREAM_WIDTHS, r"^single_transformer_blocks_\d+_(attn_to_[qkv]|proj_mlp)$"),
    (_JOINT_WIDTHS, r"^transformer_blocks_\d+_attn_(add_[qkv]_proj|to_[qkv])$"),
    (_CROSS_WIDTHS_OF_FILMS, r"^transformer_blocks_\d+_attn2_to_[kv]$"),
    (_Z_IMAGE_WIDTHS, r"^(layers|noise_refiner|context_refiner)_\d+_attention_(qkv|to_[qkv])$"),
    (_CROSS_WIDTHS, r"^(down|up|mid|input|output|middle)_block.*attn2_(processor_)?to_[kv]$"),
    (_TEXT_WIDTHS, r"^(lora_te_|text_encoder_)text_model.*self_attn_q_proj$"),
)
"""Layers that several architectures have, each in a width of its own."""


def adapter_kind(contents: Contents) -> str:
    """Whether it is a "lora", a "lycoris", or ("") neither."""
    if any(_LYCORIS.search(name) for name in contents.tensors):
        return "lycoris"
    return "lora" if any(_LORA.search(name) for name in contents.tensors) else ""


def unknown_change(contents: Contents) -> str:
    """What people call a kind of change in a LoRA or LyCORIS that the engine cannot make; "" where there is none."""
    found = (match for name in contents.tensors if (match := _OTHER.search(name)))
    return next((_OTHERS[match[1]] for match in found), "")


def adapter_architecture(contents: Contents) -> str:
    """Architecture that the layers of a LoRA or LyCORIS belong to, or :data:`UNKNOWN`."""
    widths = _input_widths(contents)
    for architecture, pattern in _OWN_NAMES:
        if any(re.search(pattern, layer) for layer in widths):
            return architecture
    for architectures, pattern in _WIDE_NAMES:
        width = next((widths[layer] for layer in widths if re.search(pattern, layer)), None)
        if width is not None:
            return architectures.get(width, UNKNOWN)
    return UNKNOWN


def _input_widths(contents: Contents) -> Mapping[str, int]:
    """Input width of each changed layer, by its name with underscores; 1 where the file does not tell."""
    factors: dict[str, list[int]] = {}
    for name, tensor in contents.tensors.items():
        layer, *_ = _CHANGE.split(name, 1)
        found = factors.setdefault(_PREFIX.sub("", layer).replace(".", "_"), [])
        if _INPUT_SIDE.search(name) and len(tensor.shape) > 1:
            found.append(tensor.shape[1])
    return {layer: math.prod(found) for layer, found in factors.items()}
