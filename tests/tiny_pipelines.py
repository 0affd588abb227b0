"""Tiny random models of families that run through diffusers' own pipelines: see :mod:`tests.tiny_models`."""

from __future__ import annotations

from tests.tiny_flow_models import tiny_flow_vae, tiny_t5, tiny_t5_tokenizer
from tests.tiny_models import MAX_TOKENS, SIZE, tiny_pipeline, tiny_tokenizer

import torch  # isort: skip
from diffusers import AutoencoderKL, AutoencoderKLLTXVideo, AutoencoderKLWan, DDIMScheduler  # isort: skip
from diffusers import DPMSolverMultistepScheduler, LDMTextToImagePipeline  # isort: skip
from diffusers import FlowMatchEulerDiscreteScheduler, LTXPipeline, LTXVideoTransformer3DModel  # isort: skip
from diffusers import PixArtSigmaPipeline, PixArtTransformer2DModel, SD3Transformer2DModel  # isort: skip
from diffusers import StableDiffusion3Pipeline, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel  # isort: skip
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel  # isort: skip
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, UMT5Config, UMT5EncoderModel  # isort: skip

WIDTH = 24
"""Of the text encoders."""


def _tiny_clip() -> CLIPTextModelWithProjection:
    tokenizer = tiny_tokenizer()
    config = CLIPTextConfig(
        hidden_size=12,
        intermediate_size=16,
        projection_dim=12,
        num_attention_heads=2,
        num_hidden_layers=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModelWithProjection(config).eval()


def tiny_sd3_pipeline(seed: int = 0) -> StableDiffusion3Pipeline:
    """Stable Diffusion 3: two CLIPs and T5, a flow-matching transformer."""
    torch.manual_seed(seed)
    tokenizer = tiny_t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=SIZE // 8,
        in_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        caption_projection_dim=16,
        pooled_projection_dim=24,
        pos_embed_max_size=16,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=tiny_flow_vae(),
        text_encoder=_tiny_clip(),
        tokenizer=tiny_tokenizer(),
        text_encoder_2=_tiny_clip(),
        tokenizer_2=tiny_tokenizer(),
        text_encoder_3=tiny_t5(tokenizer, WIDTH),
        tokenizer_3=tokenizer,
    )


def tiny_wan_pipeline(seed: int = 0) -> WanPipeline:
    """Wan 2.1, text to film: UMT5, and an autoencoder that shrinks time by four."""
    torch.manual_seed(seed)
    tokenizer = tiny_t5_tokenizer()
    config = UMT5Config(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        is_encoder_decoder=False,
    )
    transformer = WanTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=12,
        text_dim=WIDTH,
        freq_dim=16,
        ffn_dim=16,
        num_layers=2,
        rope_max_seq_len=32,
    )
    return WanPipeline(
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(config).eval(),
        vae=AutoencoderKLWan(base_dim=3, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval(),
        scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        transformer=transformer.eval(),
    )


def tiny_ltx_pipeline(seed: int = 0) -> LTXPipeline:
    """LTX-Video, text to film: latents in tokens, one for every latent pixel."""
    torch.manual_seed(seed)
    tokenizer = tiny_t5_tokenizer()
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, False),
        decoder_spatio_temporal_scaling=(True, True, True, False),
        patch_size=4,
    )
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=WIDTH,
    )
    return LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae.eval(),
        text_encoder=tiny_t5(tokenizer, WIDTH),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
    )


def tiny_pixart_pipeline(seed: int = 0) -> PixArtSigmaPipeline:
    """PixArt-Σ: T5 and a diffusion transformer; its pipeline says nothing of its steps but through the progress bar."""
    torch.manual_seed(seed)
    tokenizer = tiny_t5_tokenizer()
    transformer = PixArtTransformer2DModel(
        sample_size=SIZE // 8,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=16,
        caption_channels=WIDTH,
        use_additional_conditions=False,
    )
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 8, 8],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        norm_num_groups=2,
        latent_channels=4,
        sample_size=SIZE,
    )
    return PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=tiny_t5(tokenizer, WIDTH),
        vae=vae.eval(),
        transformer=transformer.eval(),
        scheduler=DPMSolverMultistepScheduler(),
    )


def tiny_ldm_pipeline(seed: int = 0) -> LDMTextToImagePipeline:
    """Latent diffusion's first text-to-picture model, a family that nobody here has heard of.

    Its pipeline has a part of a class of its own, and lets its progress bar go through the steps.
    """
    words = tiny_pipeline(seed=seed)
    config = LDMBertConfig(
        vocab_size=len(words.tokenizer),
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        head_dim=8,
        d_model=16,
    )
    return LDMTextToImagePipeline(
        vqvae=words.vae,
        bert=LDMBertModel(config).eval(),
        tokenizer=words.tokenizer,
        unet=words.unet,
        scheduler=DDIMScheduler(),
    )
