"""Which layer of a model a tensor of a LoRA file belongs to, however the program that wrote it spells its name.

Names come as kohya's (``lora_unet_down_blocks_0_…``, for SDXL and FLUX.1 with those of the original code), LyCORIS's
(``lycoris_…``), diffusers' (``unet.down_blocks.0.….lora_A.weight`` or ``….processor.to_q_lora.down.weight``), PEFT's
(``base_model.model.down_blocks.0.…``), ComfyUI's (``diffusion_model.…``) and, for FLUX.1, XLabs's
(``double_blocks.0.processor.qkv_lora1.down.weight``). With dots as underscores they are the same.
"""

from __future__ import annotations

import re

DENOISER, TEXT, TEXT_2 = "denoiser", "text", "text-2"
"""Parts of a model that a LoRA may change."""
_ROLES = (
    ("down", re.compile(r"[._](lora_down|lora_A|lora\.down|lora_linear_layer\.down)(\.default)?\.weight$")),
    ("up", re.compile(r"[._](lora_up|lora_B|lora\.up|lora_linear_layer\.up)(\.default)?\.weight$")),
    ("down", re.compile(r"(?<=_lora[12])\.down\.weight$")),
    ("up", re.compile(r"(?<=_lora[12])\.up\.weight$")),
    ("mid", re.compile(r"\.lora_mid\.weight$")),
    ("alpha", re.compile(r"\.alpha$")),
    ("magnitude", re.compile(r"\.lora_magnitude_vector(\.default)?(\.weight)?$")),
    ("", re.compile(r"[._](dora_scale|hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t2)(\.default)?$")),
)
"""Role, "" where the file's own word for it is taken: what a name ends with."""
_PARTS = (
    (
        TEXT_2,
        re.compile(
            r"^(base_model\.model\.)?((lora|lycoris)_te2_|text_encoder_2\.|text_encoders\.clip_g\.transformer\.)"
        ),
    ),
    (
        TEXT,
        re.compile(
            r"^(base_model\.model\.)?((lora|lycoris)_te1?_|text_encoder\.|text_encoders\.clip_l\.transformer\.)"
        ),
    ),
    (
        DENOISER,
        re.compile(
            r"^(base_model\.model\.)?"
            r"((lora|lycoris)_(unet_|transformer_(?!blocks_))?|unet\.|transformer\.|diffusion_model\.)?"
        ),
    ),
)
_BLOCK = re.compile(r"^(input|output)_blocks_(\d+)_(\d+)_(.*)$")
_MIDDLE = {"0": "resnets_0", "1": "attentions_0", "2": "resnets_1"}
_RESNET = (
    ("in_layers_0", "norm1"),
    ("in_layers_2", "conv1"),
    ("emb_layers_1", "time_emb_proj"),
    ("out_layers_0", "norm2"),
    ("out_layers_3", "conv2"),
    ("skip_connection", "conv_shortcut"),
)
_ENDS = {
    "input_blocks_0_0": "conv_in",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
    "out_2": "conv_out",
}


def split_name(name: str) -> tuple[str, str, str] | None:
    """(part, layer with underscores, role) of a tensor; None where it has none.

    Roles are "down", "up", "mid", "alpha", "magnitude" (PEFT's, of DoRA), and what LyCORIS calls "dora_scale" and the
    factors of LoHa and LoKr.
    """
    for role, ending in _ROLES:
        if match := ending.search(name):
            part, start = next((part, found[0]) for part, pattern in _PARTS if (found := pattern.match(name)))
            layer = name[len(start) : match.start()].replace(".", "_")
            if part == DENOISER and layer.startswith("text_model_"):  # PEFT names a text encoder by itself so
                part = TEXT
            return part, _plain(layer), role or match[1]
    return None


def _plain(layer: str) -> str:
    """Without what some programs write between: "processor", and "to_out" for its first layer."""
    layer = layer.replace("_processor_", "_").removeprefix("text_model_")
    return layer + "_0" if layer.endswith("_to_out") else layer


def from_original(layer: str, layers_per_block: int) -> str:
    """A U-Net layer's name in diffusers, from that in the original code of Stable Diffusion; any other as it is."""
    if layer in _ENDS:
        return _ENDS[layer]
    if layer.startswith("middle_block_"):
        which, _, inner = layer.removeprefix("middle_block_").partition("_")
        return f"mid_block_{_MIDDLE.get(which, which)}_{_inner(inner)}"
    if not (match := _BLOCK.match(layer)):
        return layer
    side, index, place, inner = match[1], int(match[2]), match[3], match[4]
    if side == "input":
        block, number = divmod(index - 1, layers_per_block + 1)
        sampler = "downsamplers_0_conv" if inner == "op" else ""
    else:
        block, number = divmod(index, layers_per_block + 1)
        sampler = "upsamplers_0_conv" if inner == "conv" else ""
    kind = sampler or f"{'resnets' if place == '0' else 'attentions'}_{number}_{_inner(inner)}"
    return f"{'down' if side == 'input' else 'up'}_blocks_{block}_{kind}"


def _inner(name: str) -> str:
    return next((ours for theirs, ours in _RESNET if name == theirs), name)
