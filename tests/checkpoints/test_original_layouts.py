"""Files as the original programs write them are known too; diffusers' own converters vouch for the layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import UNKNOWN
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import behind, write_header
from tests.checkpoints.real_models import shapes_of

import torch  # isort: skip
from diffusers.loaders import single_file_utils as converters  # isort: skip

XL_PARTS = ("denoiser", "vae", "text-encoder", "text-encoder-2")
CHECKPOINTS = {
    "sd-1": (original.SD_1, ("denoiser", "vae", "text-encoder")),
    "sd-2": (original.SD_2, ("denoiser", "vae", "text-encoder")),
    "sdxl": (original.SDXL, XL_PARTS),
    "sdxl-refiner": (original.REFINER, ("denoiser", "vae", "text-encoder-2")),
}


@pytest.mark.parametrize("architecture", CHECKPOINTS)
def test_whole_checkpoints_are_known_with_their_parts(architecture: str, tmp_path: Path) -> None:
    plan, parts = CHECKPOINTS[architecture]
    identity = identify(write_header(tmp_path / "x.safetensors", original.checkpoint(plan)))
    assert not identity.problem
    assert (identity.kind, identity.architecture, identity.variant) == ("checkpoint", architecture, "")
    assert (identity.parts, identity.missing) == (parts, ())


def test_an_inpainting_checkpoint_says_so(tmp_path: Path) -> None:
    identity = identify(write_header(tmp_path / "x.safetensors", original.checkpoint(original.SD_1_INPAINTING)))
    assert (identity.architecture, identity.variant) == ("sd-1", "inpainting")


def test_what_a_checkpoint_lacks_is_missing(tmp_path: Path) -> None:
    whole = original.checkpoint(original.SDXL)
    pruned = {
        name: shape for name, shape in whole.items() if not name.startswith(("first_stage", "conditioner.embedders.1"))
    }
    identity = identify(write_header(tmp_path / "x.safetensors", pruned))
    assert (identity.kind, identity.architecture) == ("checkpoint", "sdxl")
    assert identity.missing == ("vae", "text-encoder-2")


@pytest.mark.parametrize(
    ("architecture", "layout"), [("flux-1", original.flux()), ("sd-3", original.sd_3())], ids=["flux-1", "sd-3"]
)
@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_transformers_alone_need_the_rest(
    architecture: str, layout: original.Layout, prefix: str, tmp_path: Path
) -> None:
    identity = identify(write_header(tmp_path / "x.safetensors", behind(prefix, layout), "BF16"))
    assert (identity.kind, identity.architecture, identity.prediction) == ("denoiser", architecture, "flow")
    assert identity.missing == ("vae", "text-encoder", "text-encoder-2")
    assert identity.dtype == "bfloat16"


def test_parameters_are_those_of_the_published_models(tmp_path: Path) -> None:
    assert identify(write_header(tmp_path / "f.safetensors", original.flux())).parameters == 11_901_408_320
    assert identify(write_header(tmp_path / "u.safetensors", original.unet(original.SD_1))).parameters == 859_520_964


def _meta(layout: original.Layout) -> dict[str, Any]:
    return {name: torch.empty(shape, device="meta") for name, shape in layout.items()}


@pytest.mark.parametrize(
    ("plan", "name"), [(original.SD_1, "sd-1 unet"), (original.SD_2, "sd-2 unet"), (original.SDXL, "sdxl unet")]
)
def test_the_u_nets_are_the_ones_that_diffusers_converts(plan: original.UnetPlan, name: str) -> None:
    config = {
        "layers_per_block": 2,
        "class_embed_type": None,
        "addition_embed_type": "text_time" if plan.label_width else None,
    }
    layout = behind("model.diffusion_model.", original.unet(plan))
    converted = converters.convert_ldm_unet_checkpoint(_meta(layout), config)
    assert {key: tuple(tensor.shape) for key, tensor in converted.items()} == shapes_of(name)


@pytest.mark.parametrize(("channels", "name"), [(4, "kl vae"), (16, "flux vae")])
def test_the_autoencoders_are_the_ones_that_diffusers_converts(channels: int, name: str) -> None:
    layout = behind("first_stage_model.", original.vae(channels, quant_convs=channels == 4))
    config = {"down_block_types": [""] * 4, "up_block_types": [""] * 4}
    converted = converters.convert_ldm_vae_checkpoint(_meta(layout), config)
    assert {key: tuple(tensor.shape) for key, tensor in converted.items()} == shapes_of(name)


def test_flux_is_the_one_that_diffusers_converts() -> None:
    converted = converters.convert_flux_transformer_checkpoint_to_diffusers(_meta(original.flux()))
    assert {key: tuple(tensor.shape) for key, tensor in converted.items()} == shapes_of("flux-1")


OTHERS: dict[str, tuple[str, str, original.Layout]] = {
    # what diffusers calls the file, "" where it knows none: architecture, and of the original names those that tell
    "sana": (
        "sana",
        "sana",
        {
            "x_embedder.proj.weight": (2240, 32, 1, 1),
            "y_embedder.y_proj.fc1.weight": (2240, 2304),
            "blocks.0.mlp.inverted_conv.conv.weight": (11200, 2240, 1, 1),
            "blocks.0.cross_attn.q_linear.weight": (2240, 2240),
            "blocks.0.cross_attn.q_linear.bias": (2240,),
            "blocks.0.cross_attn.kv_linear.weight": (4480, 2240),
            "blocks.0.cross_attn.kv_linear.bias": (4480,),
        },
    ),
    "pixart": (
        "",
        "pixart",
        {
            "x_embedder.proj.weight": (1152, 4, 2, 2),
            "y_embedder.y_proj.fc1.weight": (1152, 4096),
            "t_block.1.weight": (6912, 1152),
            "blocks.0.cross_attn.kv_linear.weight": (2304, 1152),
        },
    ),
    "aura-flow": (
        "auraflow",
        "aura-flow",
        {
            "register_tokens": (1, 8, 3072),
            "cond_seq_linear.weight": (3072, 2048),
            "t_embedder.mlp.0.weight": (3072, 256),
            "double_layers.0.attn.w1q.weight": (3072, 3072),
            "double_layers.0.attn.w2q.weight": (3072, 3072),
        },
    ),
    "lumina-2": (
        "lumina2",
        "lumina-2",
        {
            "cap_embedder.0.weight": (2304,),
            "noise_refiner.0.attention.qkv.weight": (3840, 2304),
            "layers.0.adaLN_modulation.1.weight": (9216, 1024),
        },
    ),
    "mochi": (
        "mochi-1-preview",
        "mochi",
        {"t5_y_embedder.to_kv.weight": (8192, 4096), "blocks.0.attn.qkv_x.weight": (9216, 3072)},
    ),
    "cosmos 1": (
        "cosmos-1.0",
        "cosmos",
        {
            "net.x_embedder.proj.1.weight": (4096, 68),
            "net.blocks.block0.blocks.0.block.attn.to_q.0.weight": (4096, 4096),
            "net.blocks.block1.blocks.0.block.attn.to_q.0.weight": (4096, 4096),
            "net.extra_pos_embedder.pos_emb_h": (120, 4096),
        },
    ),
    "cosmos 2": (
        "cosmos-2.0",
        "cosmos",
        {
            "net.x_embedder.proj.1.weight": (2048, 68),
            "net.blocks.0.self_attn.q_proj.weight": (2048, 2048),
            "net.blocks.0.adaln_modulation_self_attn.1.weight": (256, 2048),
            "net.pos_embedder.dim_spatial_range": (22,),
        },
    ),
    "hidream": (
        "hidream",
        "hidream",
        {
            "double_stream_blocks.0.block.adaLN_modulation.1.weight": (30720, 2560),
            "double_stream_blocks.0.block.adaLN_modulation.1.bias": (30720,),
            "p_embedder.pooled_embedder.linear_1.weight": (2560, 2048),
        },
    ),
    "chroma": (
        "chroma",
        "chroma",
        {
            "distilled_guidance_layer.in_proj.weight": (5120, 64),
            "distilled_guidance_layer.in_proj.bias": (5120,),
            "img_in.weight": (3072, 64),
            "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
        },
    ),
    "chroma without latents": (
        "",
        UNKNOWN,
        {"distilled_guidance_layer.in_proj.weight": (5120, 64), "img_in_patch.weight": (3072, 3, 16, 16)},
    ),
    "stable cascade c": (
        "stable_cascade_stage_c",
        "stable-cascade-c",
        {
            "clip_txt_mapper.weight": (2048, 1280),
            "clip_img_mapper.weight": (8192, 768),
            "embedding.1.weight": (2048, 16, 1, 1),
            "down_blocks.0.0.depthwise.weight": (2048, 1, 3, 3),
            "clf.1.weight": (16, 2048, 1, 1),
        },
    ),
    "stable cascade b": (
        "stable_cascade_stage_b",
        "stable-cascade-b",
        {
            "effnet_mapper.0.weight": (1280, 16, 1, 1),
            "pixels_mapper.0.weight": (1280, 3, 1, 1),
            "embedding.1.weight": (320, 16, 1, 1),
            "down_blocks.0.0.depthwise.weight": (320, 1, 3, 3),
            "down_blocks.1.0.channelwise.0.weight": (2560, 640),
            "clf.1.weight": (16, 320, 1, 1),
        },
    ),
    "cogvideox": (
        "",
        "cogvideox",
        {
            "model.diffusion_model.mixins.patch_embed.text_proj.weight": (3072, 4096),
            "model.diffusion_model.transformer.layers.0.attention.query_key_value.weight": (9216, 3072),
        },
    ),
    "hunyuan-dit": (
        "",
        "hunyuan-dit",
        {"text_embedding_padding": (333, 1024), "mlp_t5.0.weight": (8192, 2048)},
    ),
    "omnigen": (
        "",
        "omnigen",
        {"input_x_embedder.proj.weight": (3072, 4, 2, 2), "llm.embed_tokens.weight": (32064, 3072)},
    ),
    "hunyuan-video 1.5": (
        "",
        "hunyuan-video-1.5",
        {"byt5_in.fc1.weight": (2048, 1472), "vision_in.proj.0.weight": (1152,)},
    ),
    "hunyuan-image": ("", UNKNOWN, {"byt5_in.fc1.weight": (3584, 1472)}),
    "ltx-2": ("", "ltx-2", {"audio_patchify_proj.weight": (2048, 128), "patchify_proj.weight": (4096, 128)}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_transformers_of_other_programs_are_known_and_diffusers_agrees(name: str, tmp_path: Path) -> None:
    told, architecture, layout = OTHERS[name]
    identity = identify(write_header(tmp_path / "x.safetensors", layout))
    assert (identity.kind, identity.architecture) == ("denoiser", architecture)
    if told:
        assert converters.infer_diffusers_model_type(_meta(layout)).startswith(told)


def test_a_checkpoint_of_a_transformer_says_what_it_lacks(tmp_path: Path) -> None:
    layout = behind("model.diffusion_model.", OTHERS["aura-flow"][2])
    with_vae = {**layout, "vae.decoder.conv_in.weight": (512, 4, 3, 3)}
    identity = identify(write_header(tmp_path / "x.safetensors", with_vae))
    assert (identity.kind, identity.architecture) == ("checkpoint", "aura-flow")
    assert (identity.parts, identity.missing) == (("denoiser", "vae"), ("text-encoder",))


T2I_ADAPTERS = {
    "sd-1": {"conv_in.weight": (320, 192, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)},
    "sd-1 of lines": {"conv_in.weight": (320, 64, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)},
    "sdxl": {"conv_in.weight": (320, 768, 3, 3), "body.0.block1.weight": (320, 320, 3, 3)},
    "sd-1 light": {"body.0.in_conv.weight": (80, 192, 1, 1), "body.0.body.0.block1.weight": (80, 80, 3, 3)},
}


@pytest.mark.parametrize("name", T2I_ADAPTERS)
def test_t2i_adapters_are_known_by_their_squares_of_pixels(name: str, tmp_path: Path) -> None:
    identity = identify(write_header(tmp_path / "x.pth", T2I_ADAPTERS[name]))
    assert (identity.kind, identity.architecture) == ("t2i-adapter", name.split()[0])
