"""U-Nets and diffusion transformers, told apart by names and shapes that no other architecture has.

Original and diffusers names stand side by side. Sources: the published state dicts and diffusers' model classes.
"""

from __future__ import annotations

from desktop_app.checkpoints.contents import Contents, Pattern
from desktop_app.checkpoints.identity import UNKNOWN

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.", "transformer.", "model.", "module.", "")
"""What programs put before a denoiser's own names."""

_TO_K = "transformer_blocks.0.attn2.to_k.weight"
_UNETS: tuple[tuple[str, Pattern], ...] = (
    # layers over time come first: around them stands a whole Stable Diffusion U-Net
    ("svd", {"input_blocks.1.1.time_stack.0.attn2.to_k.weight": (320, 1024)}),
    ("svd", {"down_blocks.0.attentions.0.temporal_transformer_blocks.0.attn2.to_k.weight": (320, 1024)}),
    ("modelscope", {"input_blocks.1.0.temopral_conv.conv1.0.weight": ()}),  # the spelling is its authors'
    ("modelscope", {"transformer_in.proj_in.weight": (), "down_blocks.0.temp_convs.0.conv1.0.weight": ()}),
    (UNKNOWN, {"conv_in.weight": (), "down_blocks.0.motion_modules.0.proj_in.weight": ()}),  # AnimateDiff, merged in
    (
        UNKNOWN,
        {"conv_in.weight": (), "down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight": ()},
    ),
    # the width of cross attention says which text encoders a U-Net was trained with
    ("sd-1", {f"input_blocks.1.1.{_TO_K}": (320, 768)}),
    ("sd-1", {f"down_blocks.0.attentions.0.{_TO_K}": (320, 768), "conv_in.weight": ()}),
    ("sd-2", {f"input_blocks.1.1.{_TO_K}": (320, 1024)}),
    ("sd-2", {f"down_blocks.0.attentions.0.{_TO_K}": (320, 1024), "conv_in.weight": ()}),
    ("sdxl", {f"input_blocks.4.1.{_TO_K}": (640, 2048), "label_emb.0.0.weight": (None, 2816)}),
    ("sdxl", {f"down_blocks.1.attentions.0.{_TO_K}": (640, 2048), "add_embedding.linear_1.weight": (None, 2816)}),
    ("sdxl-refiner", {f"input_blocks.4.1.{_TO_K}": (768, 1280), "label_emb.0.0.weight": (None, 2560)}),
    (
        "sdxl-refiner",
        {f"down_blocks.1.attentions.0.{_TO_K}": (768, 1280), "add_embedding.linear_1.weight": (None, 2560)},
    ),
    (UNKNOWN, {"input_blocks.0.0.weight": (), "time_embed.0.weight": (), "out.2.weight": ()}),
    (UNKNOWN, {"conv_in.weight": (), "time_embedding.linear_1.weight": (), "conv_out.weight": ()}),
)

_TRANSFORMERS: tuple[tuple[str, Pattern], ...] = (
    ("sd-3", {"joint_blocks.0.context_block.attn.qkv.weight": (), "context_embedder.weight": ()}),
    ("sd-3", {"transformer_blocks.0.attn.add_k_proj.weight": (), "pos_embed.proj.weight": (None, 16, None, None)}),
    (UNKNOWN, {"byt5_in.fc1.weight": ()}),  # HunyuanVideo 1.5, which has another autoencoder and text encoder
    (UNKNOWN, {"context_embedder_2.linear_1.weight": ()}),
    (
        "hunyuan-video",
        {"txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.weight": (), "vector_in.in_layer.weight": ()},
    ),
    (
        "hunyuan-video",
        {
            "context_embedder.token_refiner.refiner_blocks.0.norm_out.linear.weight": (),
            "single_transformer_blocks.0.proj_mlp.weight": (),
        },
    ),
    (UNKNOWN, {"distilled_guidance_layer.in_proj.weight": ()}),  # Chroma
    ("flux-2", {"single_stream_modulation.lin.weight": (), "double_stream_modulation_img.lin.weight": ()}),
    ("flux-2", {"single_stream_modulation.linear.weight": (), "double_stream_modulation_img.linear.weight": ()}),
    (
        "flux-1",
        {
            "double_blocks.0.img_attn.qkv.weight": (),
            "double_blocks.0.img_attn.norm.key_norm.scale": (),
            "vector_in.in_layer.weight": (),
            "txt_in.weight": (),
        },
    ),
    (
        "flux-1",
        {
            "single_transformer_blocks.0.proj_mlp.weight": (),
            "time_text_embed.text_embedder.linear_1.weight": (),
            "x_embedder.weight": (),
            "context_embedder.weight": (),
        },
    ),
    (UNKNOWN, {"double_blocks.0.img_attn.qkv.weight": (), "single_blocks.0.linear1.weight": ()}),  # Chroma and others
    ("qwen-image", {"txt_norm.weight": (3584,), "transformer_blocks.0.img_mod.1.weight": ()}),
    (
        "z-image",
        {
            "cap_embedder.0.weight": (2560,),
            "layers.0.adaLN_modulation.0.weight": (),
            "noise_refiner.0.attention_norm1.weight": (),
        },
    ),
    ("wan-2", {"head.modulation": (), "blocks.0.cross_attn.k.weight": (), "text_embedding.0.weight": ()}),
    (
        "wan-2",
        {
            "condition_embedder.time_proj.weight": (),
            "condition_embedder.text_embedder.linear_1.weight": (),
            "blocks.0.attn2.to_k.weight": (),
            "patch_embedding.weight": (),
        },
    ),
    (UNKNOWN, {"audio_patchify_proj.weight": ()}),  # LTX-2, which makes sound as well
    (UNKNOWN, {"audio_proj_in.weight": (), "proj_in.weight": ()}),
    ("ltx", {"patchify_proj.weight": (), "transformer_blocks.0.scale_shift_table": ()}),
    (
        "ltx",
        {
            "proj_in.weight": (),
            "transformer_blocks.0.scale_shift_table": (),
            "time_embed.emb.timestep_embedder.linear_1.weight": (),
            "caption_projection.linear_1.weight": (),
        },
    ),
)

SIGNATURES = (*_UNETS, *_TRANSFORMERS)
"""(architecture, what must be there). The first that fits wins."""

_FIRST_LAYERS = ("input_blocks.0.0.weight", "conv_in.weight")
_VARIANTS = {9: "inpainting", 8: "edit"}
"""Input channels of a U-Net whose latents have four: what else it looks at (a mask and a picture; a picture)."""


def find_denoiser(contents: Contents) -> tuple[str, str] | None:
    """(architecture, prefix of its names) of the denoiser among ``contents``; None if there is none."""
    for prefix in PREFIXES:
        for architecture, pattern in SIGNATURES:
            if contents.matches(pattern, prefix):
                return architecture, prefix
    return None


def find_variant(contents: Contents, prefix: str) -> str:
    """ "inpainting" or "edit" if the U-Net behind ``prefix`` takes more than latents, else ""."""
    for name in _FIRST_LAYERS:
        tensor = contents.tensors.get(prefix + name)
        if tensor is not None and len(tensor.shape) == 4:
            return _VARIANTS.get(tensor.shape[1], "")
    return ""
