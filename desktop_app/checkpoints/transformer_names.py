"""Diffusion transformers, told apart by names and shapes that no other architecture has.

Original and diffusers names stand side by side. Sources: the published state dicts and diffusers' model classes.
"""

from __future__ import annotations

from desktop_app.checkpoints.contents import Pattern
from desktop_app.checkpoints.identity import UNKNOWN

TRANSFORMERS: tuple[tuple[str, Pattern], ...] = (
    ("sd-3", {"joint_blocks.0.context_block.attn.qkv.weight": (), "context_embedder.weight": ()}),
    ("sd-3", {"transformer_blocks.0.attn.add_k_proj.weight": (), "pos_embed.proj.weight": (None, 16, None, None)}),
    ("hunyuan-video-1.5", {"byt5_in.fc1.weight": (), "vision_in.proj.0.weight": ()}),
    ("hunyuan-video-1.5", {"context_embedder_2.linear_1.weight": (), "image_embedder.linear_1.weight": ()}),
    (UNKNOWN, {"byt5_in.fc1.weight": ()}),  # HunyuanImage
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
    ("chroma", {"distilled_guidance_layer.in_proj.weight": (), "img_in.weight": (3072, 64)}),
    ("chroma", {"distilled_guidance_layer.in_proj.weight": (), "x_embedder.weight": (3072, 64)}),
    (UNKNOWN, {"distilled_guidance_layer.in_proj.weight": ()}),  # Chroma Radiance, which knows no latents
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
    ("ltx-2", {"audio_patchify_proj.weight": (), "patchify_proj.weight": (None, 128)}),  # it makes sound as well
    ("ltx-2", {"audio_proj_in.weight": (), "proj_in.weight": (None, 128)}),
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
    (UNKNOWN, {"patch_embed.text_proj.weight": (), "local_facial_extractor.latents": ()}),  # ConsisID
    (
        "cogvideox",
        {
            "patch_embed.text_proj.weight": (None, 4096),
            "time_embedding.linear_1.weight": (512, None),
            "transformer_blocks.0.attn1.norm_q.weight": (64,),
        },
    ),
    (
        "cogvideox",
        {
            "mixins.patch_embed.text_proj.weight": (None, 4096),
            "transformer.layers.0.attention.query_key_value.weight": (),
        },
    ),
    (
        "sana",
        {
            "patch_embed.proj.weight": (None, 32, 1, 1),
            "caption_projection.linear_1.weight": (None, 2304),
            "transformer_blocks.0.ff.conv_inverted.weight": (),
        },
    ),
    (
        "sana",
        {
            "x_embedder.proj.weight": (None, 32, 1, 1),
            "y_embedder.y_proj.fc1.weight": (None, 2304),
            "blocks.0.mlp.inverted_conv.conv.weight": (),
        },
    ),
    (
        "pixart",
        {
            "pos_embed.proj.weight": (1152, 4, 2, 2),
            "caption_projection.linear_1.weight": (1152, 4096),
            "adaln_single.linear.weight": (6912, 1152),
            "transformer_blocks.0.attn2.to_k.weight": (1152, 1152),
        },
    ),
    (
        "pixart",
        {
            "x_embedder.proj.weight": (1152, 4, 2, 2),
            "y_embedder.y_proj.fc1.weight": (1152, 4096),
            "t_block.1.weight": (6912, 1152),
            "blocks.0.cross_attn.kv_linear.weight": (2304, 1152),
        },
    ),
    (
        "aura-flow",
        {
            "register_tokens": (),
            "context_embedder.weight": (None, 2048),
            "joint_transformer_blocks.0.attn.add_k_proj.weight": (),
        },
    ),
    (
        "aura-flow",
        {"register_tokens": (), "cond_seq_linear.weight": (None, 2048), "double_layers.0.attn.w1q.weight": ()},
    ),
    (
        "lumina-2",
        {
            "time_caption_embed.caption_embedder.0.weight": (2304,),
            "noise_refiner.0.attn.to_q.weight": (2304, 2304),
            "layers.0.norm1.linear.weight": (),
        },
    ),
    (
        "lumina-2",
        {
            "cap_embedder.0.weight": (2304,),
            "noise_refiner.0.attention.qkv.weight": (),
            "layers.0.adaLN_modulation.1.weight": (),
        },
    ),
    ("mochi", {"time_embed.pooler.to_kv.weight": (), "transformer_blocks.0.attn1.norm_added_q.weight": ()}),
    ("mochi", {"t5_y_embedder.to_kv.weight": (), "blocks.0.attn.qkv_x.weight": ()}),
    (UNKNOWN, {"x_embedder.proj.1.weight": (), "llm_adapter.blocks.0.self_attn.q_proj.weight": ()}),  # made of Cosmos
    (
        "cosmos",
        {
            "patch_embed.proj.weight": (None, None),
            "time_embed.t_embedder.linear_1.weight": (),
            "transformer_blocks.0.norm1.linear_1.weight": (256, None),
            "transformer_blocks.0.attn2.to_k.weight": (None, 1024),
        },
    ),
    ("cosmos", {"x_embedder.proj.1.weight": (), "blocks.block0.blocks.0.block.attn.to_q.0.weight": ()}),
    ("cosmos", {"x_embedder.proj.1.weight": (), "blocks.0.adaln_modulation_self_attn.1.weight": (256, None)}),
    (
        "hidream",
        {
            "double_stream_blocks.0.block.adaLN_modulation.1.weight": (),
            "p_embedder.pooled_embedder.linear_1.weight": (),
        },
    ),
    ("omnigen", {"patch_embedding.input_image_proj.weight": (3072, 4, 2, 2), "embed_tokens.weight": (None, 3072)}),
    ("omnigen", {"input_x_embedder.proj.weight": (3072, 4, 2, 2), "llm.embed_tokens.weight": (None, 3072)}),
    (
        "hunyuan-dit",
        {
            "text_embedding_padding": (None, 1024),
            "text_embedder.linear_1.weight": (8192, 2048),
            "blocks.0.attn2.to_k.weight": (None, 1024),
        },
    ),
    ("hunyuan-dit", {"text_embedding_padding": (None, 1024), "mlp_t5.0.weight": (8192, 2048)}),
    (
        "kandinsky-5",
        {
            "visual_embeddings.in_layer.weight": (),
            "text_embeddings.in_layer.weight": (None, 3584),
            "visual_transformer_blocks.0.cross_attention.to_key.weight": (),
        },
    ),
)
"""(architecture, what must be there). The first that fits wins."""
