"""From the names that tensors have in original single files (latent diffusion, OpenCLIP) to those of diffusers.

Facts about formats, found by comparing published state dicts with diffusers' modules. A file's tensors are mapped one
by one, so that each can be read, put in its place and forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where (a piece of) a stored tensor belongs."""

    name: str
    third: int | None = None
    """0, 1 or 2: the third of its rows that goes there; None: all of it."""
    transposed: bool = False


Places = Callable[[str], tuple[Place, ...]]
"""Places of the tensor that a file calls so; none if it is not of the part in question."""
_Rules = tuple[tuple[str, str], ...]

_RESNET: _Rules = (
    (r"\.in_layers\.0\.", ".norm1."),
    (r"\.in_layers\.2\.", ".conv1."),
    (r"\.out_layers\.0\.", ".norm2."),
    (r"\.out_layers\.3\.", ".conv2."),
    (r"\.emb_layers\.1\.", ".time_emb_proj."),
    (r"\.skip_connection\.", ".conv_shortcut."),
)
_UNET: _Rules = (
    (r"^time_embed\.0\.", "time_embedding.linear_1."),
    (r"^time_embed\.2\.", "time_embedding.linear_2."),
    (r"^label_emb\.0\.0\.", "add_embedding.linear_1."),
    (r"^label_emb\.0\.2\.", "add_embedding.linear_2."),
    (r"^input_blocks\.0\.0\.", "conv_in."),
    (r"^out\.0\.", "conv_norm_out."),
    (r"^out\.2\.", "conv_out."),
    (r"^middle_block\.0\.", "mid_block.resnets.0."),
    (r"^middle_block\.1\.", "mid_block.attentions.0."),
    (r"^middle_block\.2\.", "mid_block.resnets.1."),
    *_RESNET,
)
_VAE: _Rules = (
    (r"\.norm_out\.", ".conv_norm_out."),
    (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
    (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
    (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
    (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.down\.(\d+)\.block\.", r".down_blocks.\1.resnets."),
    (r"\.down\.(\d+)\.downsample\.", r".down_blocks.\1.downsamplers.0."),
)
_MOTION: _Rules = (
    (r"\.attention_blocks\.0\.", ".attn1."),
    (r"\.attention_blocks\.1\.", ".attn2."),
    (r"\.norms\.0\.", ".norm1."),
    (r"\.norms\.1\.", ".norm2."),
    (r"\.ff_norm\.", ".norm3."),
)
_OPEN_CLIP: _Rules = (
    (r"^token_embedding\.", "embeddings.token_embedding."),
    (r"^positional_embedding$", "embeddings.position_embedding.weight"),
    (r"^ln_final\.", "final_layer_norm."),
    (r"^transformer\.resblocks\.", "encoder.layers."),
    (r"\.ln_([12])\.", r".layer_norm\1."),
    (r"\.attn\.out_proj\.", ".self_attn.out_proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)


def unet(config: Mapping[str, Any]) -> Places:
    """Of a U-Net of Stable Diffusion 1, 2 or XL whose diffusers configuration is ``config``."""
    layers = int(config["layers_per_block"])

    def places(name: str) -> tuple[Place, ...]:
        inner = _behind("model.diffusion_model.", name)
        return () if inner is None else (Place(_rewritten(_block(inner, layers), _UNET)),)

    return places


def lone_unet(config: Mapping[str, Any]) -> Places:
    """Of a U-Net in a file of its own: original names with or without their prefix, or those of diffusers."""
    places = unet(config)
    return lambda name: places(f"model.diffusion_model.{name.removeprefix('model.diffusion_model.')}")


def _block(name: str, layers: int) -> str:
    """Blocks of the U-Net are numbered through there; here each resolution has its own, with ``layers`` layers."""
    found = re.match(r"(input|output)_blocks\.(\d+)\.(\d+)\.(.*)", name)
    if found is None or name.startswith("input_blocks.0."):
        return name
    down, number, rest = found[1] == "input", int(found[2]), found[4]
    block, layer = divmod(number - 1 if down else number, layers + 1)
    side = "down" if down else "up"
    if rest.startswith(("op.", "conv.")):
        return f"{side}_blocks.{block}.{side}samplers.0.conv.{rest.partition('.')[2]}"
    return f"{side}_blocks.{block}.{'resnets' if found[3] == '0' else 'attentions'}.{layer}.{rest}"


def vae(config: Mapping[str, Any], prefix: str = "first_stage_model.") -> Places:
    """Of an autoencoder whose diffusers configuration is ``config``."""
    last = len(config["block_out_channels"]) - 1

    def places(name: str) -> tuple[Place, ...]:
        inner = _behind(prefix, name)
        if inner is None:
            return ()
        inner = re.sub(r"\.up\.(\d+)\.block\.", lambda up: f".up_blocks.{last - int(up[1])}.resnets.", inner)
        inner = re.sub(r"\.up\.(\d+)\.upsample\.", lambda up: f".up_blocks.{last - int(up[1])}.upsamplers.0.", inner)
        return (Place(_rewritten(inner, _VAE)),)

    return places


def lone_vae(config: Mapping[str, Any]) -> Places:
    """Of an autoencoder in a file of its own: original names with or without a prefix, or those of diffusers."""
    places = vae(config, "")
    return lambda name: places(name.removeprefix("first_stage_model.").removeprefix("vae."))


def tiny_decoder(name: str) -> tuple[Place, ...]:
    """Of the decoder of a tiny autoencoder, alone or not, whose original layers begin with one without weights."""
    found = re.match(r"(?:(?:taesd_)?decoder\.)?(layers\.)?(\d+)\.(.*)", name)
    return (Place(f"layers.{int(found[2]) - (not found[1])}.{found[3]}"),) if found else ()


def tiny_encoder(*, alone: bool) -> Places:
    """Of the encoder of a tiny autoencoder, in a file of its own or with the decoder."""
    layer = re.compile(rf"(?:(?:taesd_)?encoder\.){'?' if alone else ''}(?:layers\.)?(\d+)\.(.*)")

    def places(name: str) -> tuple[Place, ...]:
        found = layer.match(name)
        return (Place(f"layers.{found[1]}.{found[2]}"),) if found else ()

    return places


def motion_module(name: str) -> tuple[Place, ...]:
    """Of a motion adapter of AnimateDiff. Both attentions of a layer have the same positions, which are kept once."""
    name = name.removeprefix("module.").replace(".temporal_transformer.", ".")
    name = name.replace(".attention_blocks.0.pos_encoder.", ".pos_embed.")
    return () if ".pos_encoder." in name else (Place(_rewritten(name, _MOTION)),)


def clip(prefix: str) -> Places:
    """Of a text encoder with the names of transformers behind ``prefix``."""

    def places(name: str) -> tuple[Place, ...]:
        inner = _behind(prefix, name)
        return () if inner is None else (Place(inner),)

    return places


def open_clip(prefix: str) -> Places:
    """Of a text encoder of OpenCLIP, whose layers hold query, key and value in one tensor."""

    def places(name: str) -> tuple[Place, ...]:
        inner = _behind(prefix, name)
        if inner is None:
            return ()
        if inner == "text_projection":
            return (Place("text_projection.weight", transposed=True),)
        inner = _rewritten(inner, _OPEN_CLIP)
        layer, fused, kind = inner.partition(".attn.in_proj_")
        if not fused:
            return (Place(inner),)
        return tuple(Place(f"{layer}.self_attn.{letter}_proj.{kind}", third) for third, letter in enumerate("qkv"))

    return places


def _behind(prefix: str, name: str) -> str | None:
    return name[len(prefix) :] if name.startswith(prefix) else None


def _rewritten(name: str, rules: _Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
