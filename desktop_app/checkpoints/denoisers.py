"""Whether a file holds what denoises, a U-Net or a transformer: of which architecture, by names and shapes of its own.

Original and diffusers names stand side by side. Sources: the published state dicts and diffusers' model classes.
"""

from __future__ import annotations

from desktop_app.checkpoints.contents import Contents, Pattern
from desktop_app.checkpoints.identity import UNKNOWN
from desktop_app.checkpoints.transformer_names import TRANSFORMERS

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "unet.", "transformer.", "model.", "module.", "net.", "")
"""What programs put before a denoiser's own names."""

_TO_K = "transformer_blocks.0.attn2.to_k.weight"
_CASCADE: Pattern = {"embedding.1.weight": (), "down_blocks.0.0.depthwise.weight": (), "clf.1.weight": ()}
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
    # of others than Stable Diffusion
    (
        "kolors",
        {
            f"down_blocks.1.attentions.0.{_TO_K}": (640, 2048),
            "add_embedding.linear_1.weight": (None, 5632),
            "encoder_hid_proj.weight": (2048, 4096),
        },
    ),
    ("kandinsky-2", {"encoder_hid_proj.image_embeds.weight": (None, 1280), "add_embedding.image_proj.weight": ()}),
    ("kandinsky-2", {"prd_embedding": (), "clip_mean": (1, 1280), "proj_to_clip_embeddings.weight": (1280, 2048)}),
    ("kandinsky-3", {"add_time_condition.attention.to_q.weight": (), "encoder_hid_proj.projection_linear.weight": ()}),
    ("stable-cascade-b", {"effnet_mapper.0.weight": (), "pixels_mapper.0.weight": (), **_CASCADE}),
    ("stable-cascade-c", {"clip_txt_mapper.weight": (), "clip_img_mapper.weight": (), **_CASCADE}),
    ("wuerstchen", {"cond_mapper.0.weight": (), "projection.weight": (), "blocks.0.depthwise.weight": ()}),
    ("wuerstchen", {"effnet_mappers.1.weight": (), "clip_mapper.weight": (), "down_blocks.0.0.depthwise.weight": ()}),
    (UNKNOWN, {"input_blocks.0.0.weight": (), "time_embed.0.weight": (), "out.2.weight": ()}),
    (UNKNOWN, {"conv_in.weight": (), "time_embedding.linear_1.weight": (), "conv_out.weight": ()}),
)

SIGNATURES = (*_UNETS, *TRANSFORMERS)
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
