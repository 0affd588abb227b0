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
from diffusers.pipelines.deprecated.wuerstchen import WuerstchenDiffNeXt, WuerstchenPrior  # isort: skip

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
_CASCADE: dict[str, Any] = {
    "block_out_channels": (64, 64), "num_attention_heads": (1, 1), "down_num_layers_per_block": (1, 1),
    "up_num_layers_per_block": (1, 1), "clip_text_pooled_in_channels": 1280,
}  # fmt: skip
"""Narrower and with fewer layers than the published ones; what goes in and comes out is theirs."""


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
    "pixart": lambda: diffusers.PixArtTransformer2DModel(
        num_layers=1, cross_attention_dim=1152, caption_channels=4096, sample_size=128
    ),
    "pixart sigma": lambda: diffusers.PixArtTransformer2DModel(
        num_layers=1, cross_attention_dim=1152, caption_channels=4096, use_additional_conditions=False
    ),
    "allegro": lambda: diffusers.AllegroTransformer3DModel(num_layers=1),
    "cogvideox": lambda: diffusers.CogVideoXTransformer3DModel(num_layers=1),
    "cogvideox 1.5": lambda: diffusers.CogVideoXTransformer3DModel(
        num_layers=1, num_attention_heads=48, patch_size_t=2, use_rotary_positional_embeddings=True, patch_bias=False
    ),
    "consisid": lambda: diffusers.ConsisIDTransformer3DModel(num_layers=1, is_train_face=True),
    "cogview 4": lambda: diffusers.CogView4Transformer2DModel(num_layers=1),
    "sana": lambda: diffusers.SanaTransformer2DModel(num_layers=1),
    "sana video": lambda: diffusers.SanaVideoTransformer3DModel(num_layers=1),
    "aura-flow": lambda: diffusers.AuraFlowTransformer2DModel(num_mmdit_layers=1, num_single_dit_layers=1),
    "lumina-2": lambda: diffusers.Lumina2Transformer2DModel(num_layers=1, cap_feat_dim=2304),
    "mochi": lambda: diffusers.MochiTransformer3DModel(num_layers=2),
    "cosmos 1": lambda: diffusers.CosmosTransformer3DModel(num_layers=1),
    "cosmos 2": lambda: diffusers.CosmosTransformer3DModel(
        num_layers=1, num_attention_heads=16, extra_pos_embed_type=None
    ),
    "hidream": lambda: diffusers.HiDreamImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=128,
        num_attention_heads=20,
        caption_channels=(4096, 4096),
        text_emb_dim=2048,
        num_routed_experts=4,
        num_activated_experts=2,
        axes_dims_rope=(64, 32, 32),
        max_resolution=(128, 128),
        llama_layers=(0,),
    ),
    "omnigen": lambda: diffusers.OmniGenTransformer2DModel(
        num_layers=1, rope_scaling={"short_factor": [1.0] * 48, "long_factor": [1.0] * 48}
    ),
    "hunyuan-dit": lambda: diffusers.HunyuanDiT2DModel(
        num_attention_heads=16,
        attention_head_dim=88,
        in_channels=4,
        patch_size=2,
        num_layers=2,
        sample_size=128,
        hidden_size=1408,
        mlp_ratio=4.3637,
        activation_fn="gelu-approximate",
    ),
    "kolors unet": lambda: diffusers.UNet2DConditionModel(
        **{**_XL_BASE, "projection_class_embeddings_input_dim": 5632},
        encoder_hid_dim=4096,
        encoder_hid_dim_type="text_proj",
    ),
    "kandinsky 2.2 unet": lambda: diffusers.UNet2DConditionModel(
        out_channels=8,
        addition_embed_type="image",
        encoder_hid_dim=1280,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=768,
        block_out_channels=(384, 768, 1152, 1536),
        layers_per_block=3,
        attention_head_dim=64,
        down_block_types=("ResnetDownsampleBlock2D", *("SimpleCrossAttnDownBlock2D",) * 3),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        resnet_time_scale_shift="scale_shift",
        up_block_types=(*("SimpleCrossAttnUpBlock2D",) * 3, "ResnetUpsampleBlock2D"),
    ),
    "kandinsky 2.2 prior": lambda: diffusers.PriorTransformer(num_layers=1, embedding_dim=1280),
    "kandinsky-3 unet": lambda: diffusers.Kandinsky3UNet(),
    "kandinsky-5": lambda: diffusers.Kandinsky5Transformer3DModel(num_text_blocks=1, num_visual_blocks=1),
    "stable cascade b": lambda: diffusers.StableCascadeUNet(
        **_CASCADE,
        in_channels=4,
        out_channels=4,
        patch_size=2,
        conditioning_dim=1280,
        effnet_in_channels=16,
        pixel_mapper_in_channels=3,
    ),
    "stable cascade c": lambda: diffusers.StableCascadeUNet(
        **_CASCADE,
        in_channels=16,
        out_channels=16,
        patch_size=1,
        conditioning_dim=2048,
        clip_text_in_channels=1280,
        clip_image_in_channels=768,
        switch_level=(False,),
    ),
    "würstchen prior": lambda: WuerstchenPrior(depth=1),
    "würstchen decoder": lambda: WuerstchenDiffNeXt(blocks=(1, 1, 1, 1)),
    "t2i-adapter": lambda: diffusers.T2IAdapter(),
    "t2i-adapter for sdxl": lambda: diffusers.T2IAdapter(downscale_factor=16, adapter_type="full_adapter_xl"),
    "light t2i-adapter": lambda: diffusers.T2IAdapter(
        channels=[320, 640, 1280], num_res_blocks=4, adapter_type="light_adapter"
    ),
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
