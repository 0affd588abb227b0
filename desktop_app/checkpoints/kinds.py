"""Every kind of weights file but denoisers and adapters, as a table of names and shapes."""

from __future__ import annotations

from desktop_app.checkpoints.contents import Contents, Pattern
from desktop_app.checkpoints.identity import UNKNOWN

CONTROLNETS: tuple[tuple[str, Pattern], ...] = (
    ("sd-1", {"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768), "zero_convs.0.0.weight": ()}),
    ("sd-2", {"input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024), "zero_convs.0.0.weight": ()}),
    ("sdxl", {"label_emb.0.0.weight": (None, 2816), "zero_convs.0.0.weight": ()}),
    (UNKNOWN, {"zero_convs.0.0.weight": ()}),
    (
        "sd-1",
        {
            "controlnet_cond_embedding.conv_in.weight": (),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
        },
    ),
    (
        "sd-2",
        {
            "controlnet_cond_embedding.conv_in.weight": (),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
        },
    ),
    ("sdxl", {"controlnet_cond_embedding.conv_in.weight": (), "add_embedding.linear_1.weight": (None, 2816)}),
    (UNKNOWN, {"controlnet_cond_embedding.conv_in.weight": ()}),
    (  # SparseCtrl of AnimateDiff
        "sd-1",
        {
            "controlnet_cond_embedding.weight": (),
            "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
        },
    ),
    ("flux-1", {"controlnet_x_embedder.weight": (), "time_text_embed.text_embedder.linear_1.weight": ()}),
    ("qwen-image", {"controlnet_x_embedder.weight": (), "txt_norm.weight": (3584,)}),
    ("sd-3", {"controlnet_blocks.0.weight": (), "pos_embed_input.proj.weight": ()}),
    ("z-image", {"control_all_x_embedder.2-1.weight": ()}),
)

VAES: tuple[tuple[str, Pattern], ...] = (
    ("svd", {"decoder.up.0.block.0.time_stack.in_layers.0.weight": (), "encoder.conv_in.weight": ()}),
    ("svd", {"decoder.time_conv_out.weight": (), "encoder.conv_in.weight": ()}),
    ("wan-2", {"decoder.conv1.weight": (None, 48, None, None, None), "decoder.middle.0.residual.0.gamma": ()}),
    ("wan-2", {"decoder.conv_in.weight": (None, 48, None, None, None), "decoder.mid_block.resnets.0.norm1.gamma": ()}),
    (UNKNOWN, {"decoder.middle.0.residual.0.gamma": ()}),  # Wan 2.1 and Qwen-Image have the very same one
    (UNKNOWN, {"decoder.mid_block.resnets.0.norm1.gamma": ()}),
    ("ltx", {"latents_mean": (128,), "decoder.time_embedder.timestep_embedder.linear_1.weight": ()}),
    # LTX-Video from 0.9.5 on and LTX-2 are this wide
    (UNKNOWN, {"encoder.conv_out.conv.weight": (129, 2048, 3, 3, 3), "decoder.conv_in.conv.weight": ()}),
    ("ltx", {"per_channel_statistics.mean-of-means": (), "decoder.conv_in.conv.weight": ()}),
    ("ltx", {"latents_mean": (128,), "decoder.conv_in.conv.weight": ()}),
    ("hunyuan-video", {"decoder.conv_in.conv.weight": (512, 16, 3, 3, 3), "quant_conv.weight": ()}),
    ("flux-2", {"bn.running_mean": (128,), "decoder.conv_in.weight": (None, 32, 3, 3)}),
    # Stable Diffusion 1, 2 and XL are alike in form, as are Stable Diffusion 3 and FLUX.1: only trained apart
    (UNKNOWN, {"decoder.conv_in.weight": (), "decoder.conv_out.weight": (), "encoder.conv_in.weight": ()}),
    (UNKNOWN, {"decoder.conv_in.conv.weight": (), "encoder.conv_in.conv.weight": ()}),
)
VAE_PREFIXES = ("first_stage_model.", "vae.", "")

TEXT_ENCODERS: tuple[tuple[str, Pattern], ...] = (
    ("sd-2", {"text_model.encoder.layers.0.mlp.fc1.weight": (4096, 1024)}),
    ("sd-2", {"encoder.layers.0.mlp.fc1.weight": (4096, 1024), "embeddings.token_embedding.weight": ()}),
    ("sd-2", {"transformer.resblocks.0.mlp.c_fc.weight": (4096, 1024), "token_embedding.weight": ()}),
    (UNKNOWN, {"text_model.embeddings.token_embedding.weight": ()}),  # CLIP-L and bigG serve several architectures
    (UNKNOWN, {"embeddings.token_embedding.weight": (), "encoder.layers.0.mlp.fc1.weight": ()}),
    (UNKNOWN, {"transformer.resblocks.0.mlp.c_fc.weight": (), "token_embedding.weight": ()}),
    ("wan-2", {"shared.weight": (256384, 4096), "encoder.block.0.layer.0.SelfAttention.q.weight": ()}),
    ("wan-2", {"token_embedding.weight": (256384, 4096), "blocks.0.attn.q.weight": ()}),
    (UNKNOWN, {"encoder.block.0.layer.0.SelfAttention.q.weight": ()}),
    ("wan-2", {"token_embd.weight": (256384, 4096), "enc.blk.0.attn_q.weight": ()}),  # GGUF has names of its own
    (UNKNOWN, {"token_embd.weight": (), "enc.blk.0.attn_q.weight": ()}),
    (UNKNOWN, {"token_embd.weight": (), "blk.0.attn_q.weight": ()}),
    ("qwen-image", {"model.layers.0.self_attn.q_proj.weight": (3584, 3584), "visual.blocks.0.attn.qkv.weight": ()}),
    (
        "qwen-image",
        {
            "model.language_model.layers.0.self_attn.q_proj.weight": (3584, 3584),
            "model.visual.blocks.0.attn.qkv.weight": (),
        },
    ),
    (UNKNOWN, {"model.layers.0.self_attn.q_proj.weight": (), "model.embed_tokens.weight": ()}),
    (UNKNOWN, {"layers.0.self_attn.q_proj.weight": (), "embed_tokens.weight": ()}),
    (UNKNOWN, {"model.language_model.layers.0.self_attn.q_proj.weight": ()}),
)
TEXT_ENCODER_PREFIXES = ("", "transformer.", "cond_stage_model.", "cond_stage_model.transformer.", "model.")

MOTION_MODULES: tuple[tuple[str, Pattern], ...] = (
    # four resolutions are Stable Diffusion 1, three are XL
    ("sd-1", {"down_blocks.3.motion_modules.0.temporal_transformer.norm.weight": (1280,)}),
    ("sd-1", {"down_blocks.3.motion_modules.0.norm.weight": (1280,)}),
    ("sdxl", {"down_blocks.2.motion_modules.0.temporal_transformer.norm.weight": (1280,)}),
    ("sdxl", {"down_blocks.2.motion_modules.0.norm.weight": (1280,)}),
)

IP_ADAPTERS: tuple[tuple[str, Pattern], ...] = (
    ("sd-1", {"ip_adapter.1.to_k_ip.weight": (320, 768)}),
    ("sdxl", {"ip_adapter.1.to_k_ip.weight": (640, 2048)}),
    (UNKNOWN, {"ip_adapter.1.to_k_ip.weight": ()}),
)

T2I_ADAPTERS: tuple[tuple[str, Pattern], ...] = (
    # pixels come in squares of 8 × 8 for Stable Diffusion 1, of 16 × 16 for XL, in one colour or three
    ("sd-1", {"adapter.conv_in.weight": (320, 64, 3, 3), "adapter.body.0.resnets.0.block1.weight": ()}),
    ("sd-1", {"adapter.conv_in.weight": (320, 192, 3, 3), "adapter.body.0.resnets.0.block1.weight": ()}),
    ("sdxl", {"adapter.conv_in.weight": (320, 256, 3, 3), "adapter.body.0.resnets.0.block1.weight": ()}),
    ("sdxl", {"adapter.conv_in.weight": (320, 768, 3, 3), "adapter.body.0.resnets.0.block1.weight": ()}),
    ("sd-1", {"conv_in.weight": (320, 64, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)}),
    ("sd-1", {"conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)}),
    ("sdxl", {"conv_in.weight": (320, 256, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)}),
    ("sdxl", {"conv_in.weight": (320, 768, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)}),
    # the light ones
    ("sd-1", {"adapter.body.0.in_conv.weight": (None, 192, 1, 1), "adapter.body.0.resnets.0.block1.weight": ()}),
    ("sd-1", {"body.0.in_conv.weight": (None, 192, 1, 1), "body.0.body.0.block1.weight": ()}),
)

TINY_VAES: tuple[tuple[str, Pattern], ...] = (
    # the decoder takes latents: four channels are Stable Diffusion 1, 2 or XL, sixteen are SD 3, FLUX.1 or others
    (UNKNOWN, {"decoder.layers.1.weight": (64, None, 3, 3), "encoder.layers.0.weight": (64, 3, 3, 3)}),
    (UNKNOWN, {"decoder.layers.0.weight": (64, None, 3, 3), "encoder.layers.0.weight": (64, 3, 3, 3)}),
    (UNKNOWN, {"decoder.1.weight": (64, None, 3, 3), "encoder.0.weight": (64, 3, 3, 3)}),
    (UNKNOWN, {"taesd_decoder.1.weight": (64, None, 3, 3)}),
    (UNKNOWN, {"1.weight": (64, None, 3, 3), "3.conv.0.weight": (64, 64, 3, 3)}),  # the decoder alone
    (UNKNOWN, {"0.weight": (64, 3, 3, 3), "1.conv.0.weight": (64, 64, 3, 3)}),  # the encoder alone
)

UPSCALERS: tuple[tuple[str, Pattern], ...] = (
    (UNKNOWN, {"conv_first.weight": (), "body.0.rdb1.conv1.weight": ()}),  # Real-ESRGAN
    (UNKNOWN, {"conv_first.weight": (), "RRDB_trunk.0.RDB1.conv1.weight": ()}),
    (UNKNOWN, {"model.0.weight": (), "model.1.sub.0.RDB1.conv1.0.weight": ()}),  # ESRGAN
    (UNKNOWN, {"conv_first.weight": (), "layers.0.residual_group.blocks.0.attn.qkv.weight": ()}),  # SwinIR
    (UNKNOWN, {"conv_first.weight": (), "layers.0.residual_group.blocks.0.norm1.weight": ()}),  # HAT, DAT and kin
    (UNKNOWN, {"body.0.weight": (None, 3, 3, 3), "body.1.weight": (None,), "body.2.weight": ()}),  # compact
    (UNKNOWN, {"conv_1.sk.weight": (), "block_1.c1_r.sk.weight": ()}),  # SPAN
)
UPSCALER_PREFIXES = ("", "params_ema.", "params.", "module.")

_TABLES: tuple[tuple[str, tuple[tuple[str, Pattern], ...], tuple[str, ...]], ...] = (
    ("motion-module", MOTION_MODULES, ("", "module.")),
    ("vae", VAES, VAE_PREFIXES),
    ("text-encoder", TEXT_ENCODERS, TEXT_ENCODER_PREFIXES),
    ("tiny-vae", TINY_VAES, ("",)),
    ("upscaler", UPSCALERS, UPSCALER_PREFIXES),
)

_EMBEDDING_WIDTHS = {768: "sd-1", 1024: "sd-2"}
_MOST_IN_AN_EMBEDDING = 4


def find_in(contents: Contents, table: tuple[tuple[str, Pattern], ...], prefixes: tuple[str, ...]) -> str | None:
    """Architecture of the first row of ``table`` that fits behind one of ``prefixes``; None if none does."""
    for prefix in prefixes:
        for architecture, pattern in table:
            if contents.matches(pattern, prefix):
                return architecture
    return None


def find_addition(contents: Contents) -> tuple[str, str] | None:
    """(kind, architecture) of what is added to a denoiser and looks like a part of one."""
    for kind, table, prefixes in (
        ("ip-adapter", IP_ADAPTERS, ("",)),
        ("t2i-adapter", T2I_ADAPTERS, ("",)),
        ("controlnet", CONTROLNETS, ("control_model.", "")),
    ):
        if (architecture := find_in(contents, table, prefixes)) is not None:
            return kind, architecture
    return None


def find_part(contents: Contents) -> tuple[str, str]:
    """(kind, architecture) of what is no denoiser, unknown if it is nothing known here."""
    for kind, table, prefixes in _TABLES:
        if (architecture := find_in(contents, table, prefixes)) is not None:
            return kind, architecture
    return _embedding(contents) or (UNKNOWN, UNKNOWN)


def _embedding(contents: Contents) -> tuple[str, str] | None:
    """A textual inversion: few vectors as wide as a text encoder, (tokens, width) or (width,), under any name."""
    tensors = {name: one for name, one in contents.tensors.items() if not name.startswith("string_to_token")}
    if not 0 < len(tensors) <= _MOST_IN_AN_EMBEDDING or any(
        len(tensor.shape) not in (1, 2) for tensor in tensors.values()
    ):
        return None
    widths = {tensor.shape[-1] for tensor in tensors.values()}
    if {"clip_l", "clip_g"} <= set(tensors):
        return "embedding", "sdxl"
    if len(tensors) == 1 and widths <= {*_EMBEDDING_WIDTHS, 1280}:
        return "embedding", _EMBEDDING_WIDTHS.get(widths.pop(), UNKNOWN)
    return None
