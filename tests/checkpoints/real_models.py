"""Names and shapes of the published models, from diffusers' and transformers' own classes on the meta device.

The numbers are those of the published configs; the counts of parameters in ``PARAMETERS`` are the published ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import desktop_app.engine.offline  # noqa: F401  (before torch and diffusers: no network)

import diffusers  # isort: skip
import transformers  # isort: skip
import torch  # isort: skip

_SD_UNET = {"sample_size": 64, "block_out_channels": (320, 640, 1280, 1280)}
_XL_UNET: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
}
_XL_BASE = {
    **_XL_UNET,
    "transformer_layers_per_block": (1, 2, 10),
    "cross_attention_dim": 2048,
    "projection_class_embeddings_input_dim": 2816,
}
_REFINER = {
    "sample_size": 128,
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (6, 12, 24, 24),
    "use_linear_projection": True,
    "transformer_layers_per_block": 4,
    "cross_attention_dim": 1280,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2560,
}
_KL_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
_FLUX_VAE = {**_KL_VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
_SD3: dict[str, Any] = {
    "sample_size": 128, "num_layers": 24, "num_attention_heads": 24, "attention_head_dim": 64,
    "joint_attention_dim": 4096, "caption_projection_dim": 1536, "pooled_projection_dim": 2048,
    "pos_embed_max_size": 192, "out_channels": 16,
}  # fmt: skip


def _clip(width: int, layers: int, heads: int, *, project: bool = False) -> Any:
    config = transformers.CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads,
        projection_dim=width,
    )  # fmt: skip
    return transformers.CLIPTextModelWithProjection(config) if project else transformers.CLIPTextModel(config)


MODELS: dict[str, Callable[[], Any]] = {
    "sd-1 unet": lambda: diffusers.UNet2DConditionModel(cross_attention_dim=768, **_SD_UNET),
    "sd-1 inpainting unet": lambda: diffusers.UNet2DConditionModel(cross_attention_dim=768, in_channels=9, **_SD_UNET),
    "sd-2 unet": lambda: diffusers.UNet2DConditionModel(
        cross_attention_dim=1024, attention_head_dim=(5, 10, 20, 20), use_linear_projection=True, **_SD_UNET
    ),
    "sdxl unet": lambda: diffusers.UNet2DConditionModel(**_XL_BASE),
    "refiner unet": lambda: diffusers.UNet2DConditionModel(**_REFINER),
    "sd-3": lambda: diffusers.SD3Transformer2DModel(**_SD3),
    "flux-1": lambda: diffusers.FluxTransformer2DModel(guidance_embeds=True),
    "flux-2": lambda: diffusers.Flux2Transformer2DModel(),
    "qwen-image": lambda: diffusers.QwenImageTransformer2DModel(),
    "z-image": lambda: diffusers.ZImageTransformer2DModel(),
    "wan-2": lambda: diffusers.WanTransformer3DModel(num_attention_heads=12, ffn_dim=8960, num_layers=30),
    "ltx": lambda: diffusers.LTXVideoTransformer3DModel(),
    "ltx-2": lambda: diffusers.LTX2VideoTransformer3DModel(num_layers=1),
    "hunyuan-video": lambda: diffusers.HunyuanVideoTransformer3DModel(),
    "svd unet": lambda: diffusers.UNetSpatioTemporalConditionModel(num_attention_heads=(5, 10, 20, 20)),
    "modelscope unet": lambda: diffusers.UNet3DConditionModel(attention_head_dim=64),
    "pixart": lambda: diffusers.PixArtTransformer2DModel(num_layers=1, cross_attention_dim=1152),
    "kl vae": lambda: diffusers.AutoencoderKL(**_KL_VAE),
    "flux vae": lambda: diffusers.AutoencoderKL(**_FLUX_VAE),
    "flux-2 vae": lambda: diffusers.AutoencoderKLFlux2(),
    "svd vae": lambda: diffusers.AutoencoderKLTemporalDecoder(
        block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2
    ),
    "wan vae": lambda: diffusers.AutoencoderKLWan(),
    "qwen-image vae": lambda: diffusers.AutoencoderKLQwenImage(),
    "ltx vae": lambda: diffusers.AutoencoderKLLTXVideo(),
    "hunyuan-video vae": lambda: diffusers.AutoencoderKLHunyuanVideo(),
    "tiny vae": lambda: diffusers.AutoencoderTiny(),
    "tiny flux vae": lambda: diffusers.AutoencoderTiny(latent_channels=16),
    "clip-l": lambda: _clip(768, 12, 12),
    "clip-h": lambda: _clip(1024, 23, 16),
    "clip-g": lambda: _clip(1280, 32, 20, project=True),
    "t5": lambda: transformers.T5EncoderModel(
        transformers.T5Config(d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64)
    ),
    "umt5": lambda: transformers.UMT5EncoderModel(
        transformers.UMT5Config(vocab_size=256384, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64)
    ),
    "qwen-3": lambda: transformers.Qwen3ForCausalLM(transformers.Qwen3Config(num_hidden_layers=1)),
    "sd-1 controlnet": lambda: diffusers.ControlNetModel(cross_attention_dim=768),
    "sdxl controlnet": lambda: diffusers.ControlNetModel(
        **{name: value for name, value in _XL_BASE.items() if name not in ("sample_size", "up_block_types")}
    ),
    "sparse controlnet": lambda: diffusers.SparseControlNetModel(cross_attention_dim=768),
    "sd-3 controlnet": lambda: diffusers.SD3ControlNetModel(num_layers=1),
    "qwen-image controlnet": lambda: diffusers.QwenImageControlNetModel(num_layers=1),
    "sd-3.5 medium": lambda: diffusers.SD3Transformer2DModel(
        num_attention_heads=24,
        joint_attention_dim=4096,
        caption_projection_dim=1536,
        pooled_projection_dim=2048,
        num_layers=24,
        pos_embed_max_size=384,
        dual_attention_layers=tuple(range(13)),
        qk_norm="rms_norm",
    ),
    "flux-1 fill": lambda: diffusers.FluxTransformer2DModel(in_channels=384, num_layers=1, num_single_layers=1),
    "wan-2 from a picture": lambda: diffusers.WanTransformer3DModel(
        num_layers=1, in_channels=36, image_dim=1280, added_kv_proj_dim=5120
    ),
    "wan-2.2 small": lambda: diffusers.WanTransformer3DModel(
        num_layers=1, in_channels=48, out_channels=48, num_attention_heads=24, ffn_dim=14336
    ),
    "wan-2 vace": lambda: diffusers.WanVACETransformer3DModel(num_layers=2, vace_layers=[0, 1]),
    "chroma": lambda: diffusers.ChromaTransformer2DModel(num_layers=1, num_single_layers=1),
    "hunyuan-video 1.5": lambda: diffusers.HunyuanVideo15Transformer3DModel(num_layers=1),
    "ltx-2 vae": lambda: diffusers.AutoencoderKLLTX2Video(),
    "flux controlnet": lambda: diffusers.FluxControlNetModel(num_layers=1, num_single_layers=1),
    "motion adapter": lambda: diffusers.MotionAdapter(),
    "sdxl motion adapter": lambda: diffusers.MotionAdapter(block_out_channels=(320, 640, 1280)),
}


@cache
def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published model; no memory is taken for its weights."""
    with torch.device("meta"):
        model = MODELS[name]()
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
