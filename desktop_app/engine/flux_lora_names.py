"""Layers of FLUX.1 by the names of its original code, as LoRAs of kohya's, XLabs's and Black Forest Labs' spelling have
them: one layer there may be several in diffusers, the rows of its weight one after another.
"""

from __future__ import annotations

import re

_QUERIES = ("attn_to_q", "attn_to_k", "attn_to_v")
_TEXT_QUERIES = ("attn_add_q_proj", "attn_add_k_proj", "attn_add_v_proj")
_DOUBLE = {
    "img_attn_qkv": _QUERIES,
    "img_attn_proj": ("attn_to_out_0",),
    "img_mlp_0": ("ff_net_0_proj",),
    "img_mlp_2": ("ff_net_2",),
    "img_mod_lin": ("norm1_linear",),
    "txt_attn_qkv": _TEXT_QUERIES,
    "txt_attn_proj": ("attn_to_add_out",),
    "txt_mlp_0": ("ff_context_net_0_proj",),
    "txt_mlp_2": ("ff_context_net_2",),
    "txt_mod_lin": ("norm1_context_linear",),
    "qkv_lora1": _QUERIES,
    "proj_lora1": ("attn_to_out_0",),
    "qkv_lora2": _TEXT_QUERIES,
    "proj_lora2": ("attn_to_add_out",),
}
"""Of the blocks that see picture and text apart; the last four are XLabs's."""
_SINGLE = {
    "linear1": (*_QUERIES, "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_lin": ("norm_linear",),
    "qkv": _QUERIES,
    "proj": ("proj_out",),
}
"""Of the blocks that see both together; the last two are XLabs's."""
_ENDS = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in_in_layer": "time_text_embed_timestep_embedder_linear_1",
    "time_in_out_layer": "time_text_embed_timestep_embedder_linear_2",
    "vector_in_in_layer": "time_text_embed_text_embedder_linear_1",
    "vector_in_out_layer": "time_text_embed_text_embedder_linear_2",
    "guidance_in_in_layer": "time_text_embed_guidance_embedder_linear_1",
    "guidance_in_out_layer": "time_text_embed_guidance_embedder_linear_2",
    "final_layer_linear": "proj_out",
    "final_layer_adaLN_modulation_1": "norm_out_linear",
}
HALVES_SWAPPED = "final_layer_adaLN_modulation_1"
"""Its rows are first the shift and then the scale, in diffusers first the scale and then the shift."""
_BLOCK = re.compile(r"^(double|single)_blocks_(\d+)_(.*)$")


def from_flux(layer: str) -> tuple[str, ...]:
    """Names in diffusers, with underscores, of a layer of the original code; none if it is none."""
    if layer in _ENDS:
        return (_ENDS[layer],)
    if not (match := _BLOCK.match(layer)):
        return ()
    table, blocks = (_DOUBLE, "transformer") if match[1] == "double" else (_SINGLE, "single_transformer")
    return tuple(f"{blocks}_blocks_{match[2]}_{inner}" for inner in table.get(match[3], ()))
