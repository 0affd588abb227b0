"""Files as the original programs write them are known too; diffusers' own converters vouch for the layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from desktop_app.checkpoints.identify import identify
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
