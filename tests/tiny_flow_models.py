"""Tiny random models of flow matching, in the layout of real ones: see :mod:`tests.tiny_models`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.tiny_models import SIZE, WORDS, tiny_facts, tiny_pipeline

import torch  # isort: skip
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel  # isort: skip
from transformers import T5Config, T5EncoderModel, T5Tokenizer  # isort: skip

SPARE_ROWS = 4
"""Rows of the text encoder's table beyond the tokenizer's tokens; published ones have some."""


def tiny_t5_tokenizer() -> T5Tokenizer:
    """A T5 tokenizer that knows :data:`WORDS` as whole words and spells everything else out letter by letter."""
    letters = "abcdefghijklmnopqrstuvwxyz.,'"
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -1.0) for word in WORDS] + [(letter, -3.0) for letter in letters]
    return T5Tokenizer(vocab=pieces, extra_ids=0)


def tiny_t5(tokenizer: T5Tokenizer, width: int = 24) -> T5EncoderModel:
    """Two random layers of T5's encoder."""
    config = T5Config(
        vocab_size=len(tokenizer) + SPARE_ROWS,
        d_model=width,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        is_encoder_decoder=False,
    )
    return T5EncoderModel(config).eval()


def tiny_flow_vae(channels: int = 16) -> AutoencoderKL:
    """An autoencoder whose latents have a mean that is not zero, as those of flow-matching models do."""
    return AutoencoderKL(
        block_out_channels=[8, 8, 8, 8],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        norm_num_groups=2,
        latent_channels=channels,
        sample_size=SIZE,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=0.3611,
        shift_factor=0.1159,
    ).eval()


def tiny_flux_pipeline(*, dev: bool = True, seed: int = 0, **scheduler: Any) -> FluxPipeline:
    """FLUX.1 in small: "dev", told the guidance and shifted by size, or "schnell", with the schedulers published."""
    words = tiny_pipeline(seed=seed)
    torch.manual_seed(seed)
    tokenizer = tiny_t5_tokenizer()
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        pooled_projection_dim=16,
        guidance_embeds=dev,
        axes_dims_rope=(4, 4, 8),
    )
    published = {"shift": 3.0, "use_dynamic_shifting": True} if dev else {"shift": 1.0}
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**{**published, **scheduler}),
        vae=tiny_flow_vae(),
        text_encoder=words.text_encoder,
        tokenizer=words.tokenizer,
        text_encoder_2=tiny_t5(tokenizer),
        tokenizer_2=tokenizer,
        transformer=transformer.eval(),
    )


def write_flow_model(folder: Path, pipeline: Any, *, shard: str = "5GB") -> Path:
    """Write ``pipeline`` and facts with small sizes to ``folder``, in files of at most ``shard``; return ``folder``."""
    pipeline.save_pretrained(folder, max_shard_size=shard)
    facts = {name: value for name, value in tiny_facts().items() if name in ("format", "name", "min_size", "max_size")}
    (folder / "safelight.json").write_text(json.dumps({**facts, "sizes": [[SIZE, SIZE], [96, SIZE]]}), encoding="utf-8")
    return folder
