"""Single files as they were published, written from diffusers' parts: the names and fused tensors of latent diffusion.

The names go the other way round here than in the program, and were written down a second time.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import tqdm
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from tests.tiny_models import SIZE, tiny_pipeline

Weights = dict[str, Tensor]
tqdm.tqdm.monitor_interval = 0  # writing a model shows a bar, whose monitor would be a thread
_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}  # fmt: skip


def original_unet(weights: Weights, layers: int) -> Weights:
    """A U-Net with ``layers`` layers per block."""
    with_attention = {match[1] for name in weights if (match := re.match(r"up_blocks\.(\d+)\.attentions", name))}

    def rename(name: str) -> str:
        in_resnet = ".resnets." in name  # layers of attention have norms as well
        for ours, theirs in _UNET.items():
            if name.startswith(ours + "."):
                name = theirs + name[len(ours) :]
        if match := re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name):
            side, block, kind, layer, rest = match.groups()
            first = int(block) * (layers + 1) + (side == "down")
            if kind == "downsamplers":
                return f"input_blocks.{first + layers}.0.op.{rest.removeprefix('conv.')}"
            if kind == "upsamplers":
                return f"output_blocks.{first + layers}.{2 if block in with_attention else 1}.{rest}"
            stage = "input_blocks" if side == "down" else "output_blocks"
            name = f"{stage}.{first + int(layer)}.{int(kind == 'attentions')}.{rest}"
        for ours, theirs in _RESNET.items() if in_resnet else ():
            name = name.replace(f".{ours}.", f".{theirs}.")
        return name

    return {f"model.diffusion_model.{rename(name)}": value for name, value in weights.items()}


def original_vae(weights: Weights, blocks: int) -> Weights:
    """An autoencoder of so many ``blocks``, its attention in convolutions over single pixels."""

    def rename(name: str) -> str:
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        name = name.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
        name = name.replace("mid_block.attentions.0.group_norm", "mid.attn_1.norm")
        name = name.replace("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out")
        name = name.replace("mid_block.attentions.0.to_", "mid.attn_1.")
        name = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        name = re.sub(r"up_blocks\.(\d+)\.resnets", lambda up: f"up.{blocks - 1 - int(up[1])}.block", name)
        return re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda up: f"up.{blocks - 1 - int(up[1])}.upsample", name)

    names = {name: rename(name) for name in weights}
    attention = re.compile(r"\.attn_1\.(q|k|v|proj_out)\.weight$")
    return {
        f"first_stage_model.{new}": weights[old][:, :, None, None] if attention.search(new) else weights[old]
        for old, new in names.items()
    }


def original_clip(weights: Weights, prefix: str) -> Weights:
    """CLIP-L: the names of transformers 4, with position ids."""
    named = {f"{prefix}text_model.{name}": value for name, value in weights.items()}
    return {**named, f"{prefix}text_model.embeddings.position_ids": torch.arange(77)[None]}


_OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.": "ln_final.", "encoder.layers.": "transformer.resblocks.", ".layer_norm": ".ln_",
    ".self_attn.out_proj.": ".attn.out_proj.", ".mlp.fc1.": ".mlp.c_fc.", ".mlp.fc2.": ".mlp.c_proj.",
}  # fmt: skip


def original_open_clip(weights: Weights, prefix: str) -> Weights:
    """OpenCLIP, with the last layer and the numbers that Stable Diffusion 2 leaves out."""
    weights = {name.removeprefix("text_model."): value for name, value in weights.items()}
    layers = len({name.split(".")[2] for name in weights if name.startswith("encoder.layers.")})
    if "text_projection.weight" not in weights:
        last = f"encoder.layers.{layers - 1}."
        more = {name.replace(last, f"encoder.layers.{layers}."): v + 1 for name, v in weights.items() if last in name}
        width = weights["final_layer_norm.weight"].numel()
        weights = {**weights, **more, "text_projection.weight": torch.zeros(width, width)}
    result = {f"{prefix}text_projection": weights.pop("text_projection.weight").T.contiguous()}
    for name, value in weights.items():
        new = name
        for ours, theirs in _OPEN_CLIP.items():
            new = new.replace(ours, theirs)
        if ".self_attn.q_proj." in name:
            three = [weights[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"]
            result[prefix + new.replace(".self_attn.q_proj.", ".attn.in_proj_")] = torch.cat(three)
        elif not re.search(r"\.[kv]_proj\.", name):
            result[prefix + new] = value
    return {**result, f"{prefix}logit_scale": torch.tensor(4.6)}


def original_checkpoint(parts: Mapping[str, Any], architecture: str) -> Weights:
    """``parts`` are diffusers' modules under the names of their folders."""
    weights = {name: part.state_dict() for name, part in parts.items()}
    unet = original_unet(weights["unet"], parts["unet"].config.layers_per_block)
    vae = original_vae(weights["vae"], len(parts["vae"].config.block_out_channels))
    match architecture:
        case "sd-1":
            text = original_clip(weights["text_encoder"], "cond_stage_model.transformer.")
        case "sd-2":
            text = original_open_clip(weights["text_encoder"], "cond_stage_model.model.")
        case "sdxl-refiner":
            text = original_open_clip(weights["text_encoder_2"], "conditioner.embedders.0.model.")
        case _:
            text = original_clip(weights["text_encoder"], "conditioner.embedders.0.transformer.")
            text |= original_open_clip(weights["text_encoder_2"], "conditioner.embedders.1.model.")
    schedule = {"betas": torch.zeros(1000), "model_ema.num_updates": torch.tensor(3)}
    return {**unet, **vae, **text, **schedule}


def recognisable_pipeline() -> StableDiffusionPipeline:
    """A small model, but with the two widths by which a Stable Diffusion 1 U-Net is known."""
    pipeline = tiny_pipeline()
    torch.manual_seed(3)
    config = {**pipeline.text_encoder.config.to_dict(), "hidden_size": 768, "num_attention_heads": 12}
    unet = UNet2DConditionModel(
        block_out_channels=(320, 32),
        layers_per_block=1,
        sample_size=SIZE // 8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=768,
        attention_head_dim=8,
    )
    parts = {"unet": unet.eval(), "text_encoder": CLIPTextModel(CLIPTextConfig.from_dict(config)).eval()}
    return StableDiffusionPipeline(**{**pipeline.components, **parts}, requires_safety_checker=False)


def twice(folder: Path) -> tuple[Path, Path]:
    """A model as the folder "folder" and as the file "file.SAFETENSORS", and resources that say how it is built.

    Returns (resources, models).
    """
    pipeline = recognisable_pipeline()
    resources, models = folder / "resources", folder / "models"
    architectures = resources / "architectures"
    pipeline.save_pretrained(models / "folder")
    shutil.copytree(models / "folder", architectures / "sd-1", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copytree(models / "folder" / "tokenizer", architectures / "tokenizer")
    parts = {name: getattr(pipeline, name) for name in ("unet", "vae", "text_encoder")}
    save_file(original_checkpoint(parts, "sd-1"), models / "file.SAFETENSORS")
    return resources, models
