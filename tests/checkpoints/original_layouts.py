"""Names and shapes as the original programs write them, built layer by layer from the networks' published plans.

Independent of the classifier: ``test_original_layouts.py`` has diffusers convert them and compares with its own models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.checkpoints.headers import behind

Layout = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class UnetPlan:
    """What sets the U-Nets of latent diffusion apart."""

    widths: Sequence[int]
    depths: Sequence[int]
    """Transformer blocks per attention, by resolution; 0 for none."""
    middle: int
    text_width: int
    label_width: int = 0
    inputs: int = 4
    linear: bool = True
    """Whether the projections around the transformer blocks are linear layers or 1 × 1 convolutions."""


SD_1 = UnetPlan((320, 640, 1280, 1280), (1, 1, 1, 0), 1, 768, linear=False)
SD_1_INPAINTING = UnetPlan((320, 640, 1280, 1280), (1, 1, 1, 0), 1, 768, inputs=9, linear=False)
SD_2 = UnetPlan((320, 640, 1280, 1280), (1, 1, 1, 0), 1, 1024)
SDXL = UnetPlan((320, 640, 1280), (0, 2, 10), 10, 2048, 2816)
REFINER = UnetPlan((384, 768, 1536, 1536), (0, 4, 4, 0), 4, 1280, 2560)


def _layer(name: str, out: int, *rest: int) -> Layout:
    return {f"{name}.weight": (out, *rest), f"{name}.bias": (out,)}


def _resnet(width_in: int, width: int, embedding: int) -> Layout:
    layers = {
        **_layer("in_layers.0", width_in),
        **_layer("in_layers.2", width, width_in, 3, 3),
        **_layer("emb_layers.1", width, embedding),
        **_layer("out_layers.0", width),
        **_layer("out_layers.3", width, width, 3, 3),
    }
    return layers if width_in == width else {**layers, **_layer("skip_connection", width, width_in, 1, 1)}


def _attention(width: int, depth: int, plan: UnetPlan) -> Layout:
    window = () if plan.linear else (1, 1)
    layers = {**_layer("norm", width), **_layer("proj_in", width, width, *window)}
    for index in range(depth):
        layers |= behind(f"transformer_blocks.{index}.", _transformer_block(width, plan.text_width))
    return {**layers, **_layer("proj_out", width, width, *window)}


def _transformer_block(width: int, text_width: int) -> Layout:
    layers: Layout = {}
    for attention, read in (("attn1", width), ("attn2", text_width)):
        layers |= {f"{attention}.to_q.weight": (width, width), f"{attention}.to_k.weight": (width, read)}
        layers |= {f"{attention}.to_v.weight": (width, read), **_layer(f"{attention}.to_out.0", width, width)}
    layers |= {**_layer("ff.net.0.proj", 8 * width, width), **_layer("ff.net.2", width, 4 * width)}
    for norm in ("norm1", "norm2", "norm3"):
        layers |= _layer(norm, width)
    return layers


def unet(plan: UnetPlan) -> Layout:
    """The U-Net of latent diffusion: input blocks, middle block, output blocks, two residual blocks a resolution."""
    embedding = 4 * plan.widths[0]
    layers = {**_layer("time_embed.0", embedding, plan.widths[0]), **_layer("time_embed.2", embedding, embedding)}
    if plan.label_width:
        layers |= {
            **_layer("label_emb.0.0", embedding, plan.label_width),
            **_layer("label_emb.0.2", embedding, embedding),
        }
    layers |= _layer("input_blocks.0.0", plan.widths[0], plan.inputs, 3, 3)
    skips = [plan.widths[0]]
    layers |= _input_blocks(plan, skips, embedding)
    width = plan.widths[-1]
    layers |= behind("middle_block.0.", _resnet(width, width, embedding))
    layers |= behind("middle_block.1.", _attention(width, plan.middle, plan))
    layers |= behind("middle_block.2.", _resnet(width, width, embedding))
    layers |= _output_blocks(plan, skips, embedding)
    return {**layers, **_layer("out.0", plan.widths[0]), **_layer("out.2", 4, plan.widths[0], 3, 3)}


def _input_blocks(plan: UnetPlan, skips: list[int], embedding: int) -> Layout:
    layers: Layout = {}
    for level, (width, depth) in enumerate(zip(plan.widths, plan.depths, strict=True)):
        for _ in range(2):
            block = f"input_blocks.{len(skips)}."
            layers |= behind(block + "0.", _resnet(skips[-1], width, embedding))
            layers |= behind(block + "1.", _attention(width, depth, plan)) if depth else {}
            skips.append(width)
        if level < len(plan.widths) - 1:
            layers |= _layer(f"input_blocks.{len(skips)}.0.op", width, width, 3, 3)
            skips.append(width)
    return layers


def _output_blocks(plan: UnetPlan, skips: list[int], embedding: int) -> Layout:
    layers: Layout = {}
    coming, index = plan.widths[-1], 0
    for level in reversed(range(len(plan.widths))):
        width, depth = plan.widths[level], plan.depths[level]
        for place in range(3):
            block = f"output_blocks.{index}."
            layers |= behind(block + "0.", _resnet(coming + skips.pop(), width, embedding))
            layers |= behind(block + "1.", _attention(width, depth, plan)) if depth else {}
            if place == 2 and level:
                layers |= _layer(f"{block}{2 if depth else 1}.conv", width, width, 3, 3)
            coming, index = width, index + 1
    return layers


def vae(channels: int = 4, *, quant_convs: bool = True) -> Layout:
    """The KL autoencoder of latent diffusion, eight times smaller, with ``channels`` latent channels."""
    widths = (128, 256, 512, 512)
    layers = {
        **_layer("encoder.conv_in", 128, 3, 3, 3),
        **_layer("encoder.norm_out", 512),
        **_layer("encoder.conv_out", 2 * channels, 512, 3, 3),
        **_layer("decoder.conv_in", 512, channels, 3, 3),
        **_layer("decoder.norm_out", 128),
        **_layer("decoder.conv_out", 3, 128, 3, 3),
    }
    for side in ("encoder", "decoder"):
        layers |= behind(f"{side}.mid.", _vae_middle())
    coming = 128
    for level, width in enumerate(widths):
        for place in range(2):
            layers |= behind(f"encoder.down.{level}.block.{place}.", _vae_resnet(coming, width))
            coming = width
        layers |= _layer(f"encoder.down.{level}.downsample.conv", width, width, 3, 3) if level < 3 else {}
    for level in reversed(range(4)):
        for place in range(3):
            layers |= behind(f"decoder.up.{level}.block.{place}.", _vae_resnet(coming, widths[level]))
            coming = widths[level]
        layers |= _layer(f"decoder.up.{level}.upsample.conv", coming, coming, 3, 3) if level else {}
    if quant_convs:
        layers |= _layer("quant_conv", 2 * channels, 2 * channels, 1, 1)
        layers |= _layer("post_quant_conv", channels, channels, 1, 1)
    return layers


def _vae_middle() -> Layout:
    layers = {**behind("block_1.", _vae_resnet(512, 512)), **behind("block_2.", _vae_resnet(512, 512))}
    for name in ("q", "k", "v", "proj_out"):
        layers |= _layer(f"attn_1.{name}", 512, 512, 1, 1)
    return {**layers, **_layer("attn_1.norm", 512)}


def _vae_resnet(width_in: int, width: int) -> Layout:
    layers = {
        **_layer("norm1", width_in),
        **_layer("conv1", width, width_in, 3, 3),
        **_layer("norm2", width),
        **_layer("conv2", width, width, 3, 3),
    }
    return layers if width_in == width else {**layers, **_layer("nin_shortcut", width, width_in, 1, 1)}


def clip(width: int, layers: int) -> Layout:
    """A CLIP text encoder as transformers 4 named it: what the original files hold."""
    names: Layout = {
        "text_model.embeddings.token_embedding.weight": (49408, width),
        "text_model.embeddings.position_embedding.weight": (77, width),
        **_layer("text_model.final_layer_norm", width),
    }
    for index in range(layers):
        block: Layout = {}
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            block |= _layer(f"self_attn.{name}", width, width)
        block |= {**_layer("layer_norm1", width), **_layer("layer_norm2", width)}
        block |= {**_layer("mlp.fc1", 4 * width, width), **_layer("mlp.fc2", width, 4 * width)}
        names |= behind(f"text_model.encoder.layers.{index}.", block)
    return names


def open_clip(width: int, layers: int) -> Layout:
    """An OpenCLIP text encoder in its own names."""
    names: Layout = {
        "token_embedding.weight": (49408, width),
        "positional_embedding": (77, width),
        "text_projection": (width, width),
        "logit_scale": (),
        **_layer("ln_final", width),
    }
    for index in range(layers):
        block: Layout = {"attn.in_proj_weight": (3 * width, width), "attn.in_proj_bias": (3 * width,)}
        block |= {**_layer("attn.out_proj", width, width), **_layer("ln_1", width), **_layer("ln_2", width)}
        block |= {**_layer("mlp.c_fc", 4 * width, width), **_layer("mlp.c_proj", width, 4 * width)}
        names |= behind(f"transformer.resblocks.{index}.", block)
    return names


def checkpoint(plan: UnetPlan) -> Layout:
    """A whole single file: U-Net, autoencoder and the text encoders that go with the plan."""
    encoders = {
        768: behind("cond_stage_model.transformer.", clip(768, 12)),
        1024: behind("cond_stage_model.model.", open_clip(1024, 24)),
        1280: behind("conditioner.embedders.0.model.", open_clip(1280, 32)),
        2048: {
            **behind("conditioner.embedders.0.transformer.", clip(768, 12)),
            **behind("conditioner.embedders.1.model.", open_clip(1280, 32)),
        },
    }
    return {
        **behind("model.diffusion_model.", unet(plan)),
        **behind("first_stage_model.", vae()),
        **encoders[plan.text_width],
    }


def flux() -> Layout:
    """FLUX.1's transformer in its own names: 19 double and 38 single blocks, 3072 wide."""
    width, head = 3072, 128
    layers = {
        **_layer("img_in", width, 64),
        **_layer("txt_in", width, 4096),
        **behind("time_in.", {**_layer("in_layer", width, 256), **_layer("out_layer", width, width)}),
        **behind("vector_in.", {**_layer("in_layer", width, 768), **_layer("out_layer", width, width)}),
        **behind("guidance_in.", {**_layer("in_layer", width, 256), **_layer("out_layer", width, width)}),
        **_layer("final_layer.linear", 64, width),
        **_layer("final_layer.adaLN_modulation.1", 2 * width, width),
    }
    norms: Layout = {"norm.query_norm.scale": (head,), "norm.key_norm.scale": (head,)}
    for index in range(19):
        for side in ("img", "txt"):
            block = f"double_blocks.{index}.{side}_"
            layers |= {**_layer(block + "mod.lin", 6 * width, width), **_layer(block + "attn.qkv", 3 * width, width)}
            layers |= {**_layer(block + "attn.proj", width, width), **behind(block + "attn.", norms)}
            layers |= {**_layer(block + "mlp.0", 4 * width, width), **_layer(block + "mlp.2", width, 4 * width)}
    for index in range(38):
        block = f"single_blocks.{index}."
        layers |= {**_layer(block + "linear1", 7 * width, width), **_layer(block + "linear2", width, 5 * width)}
        layers |= {**_layer(block + "modulation.lin", 3 * width, width), **behind(block, norms)}
    return layers


def sd_3() -> Layout:
    """Stable Diffusion 3 medium's transformer in its own names: 24 joint blocks, 1536 wide."""
    width = 1536
    layers: Layout = {
        "pos_embed": (1, 192 * 192, width),
        **_layer("x_embedder.proj", width, 16, 2, 2),
        **_layer("context_embedder", width, 4096),
        **_layer("t_embedder.mlp.0", width, 256),
        **_layer("t_embedder.mlp.2", width, width),
        **_layer("y_embedder.mlp.0", width, 2048),
        **_layer("y_embedder.mlp.2", width, width),
        **_layer("final_layer.linear", 64, width),
        **_layer("final_layer.adaLN_modulation.1", 2 * width, width),
    }
    for index in range(24):
        for side in ("context_block", "x_block"):
            last = index == 23 and side == "context_block"  # its outcome is not used any more
            block = f"joint_blocks.{index}.{side}."
            layers |= {**_layer(block + "attn.qkv", 3 * width, width)}
            layers |= _layer(block + "adaLN_modulation.1", (2 if last else 6) * width, width)
            if not last:
                layers |= _layer(block + "attn.proj", width, width)
                layers |= {**_layer(block + "mlp.fc1", 4 * width, width), **_layer(block + "mlp.fc2", width, 4 * width)}
    return layers
