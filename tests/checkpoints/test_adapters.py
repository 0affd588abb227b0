"""LoRA and LyCORIS of every style are known, with the architecture whose layers they change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import UNKNOWN
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import Shapes, write_header
from tests.checkpoints.real_models import shapes_of

RANK = 4


def _layers(shapes: Shapes, *words: str) -> dict[str, tuple[int, ...]]:
    """The linear layers that people train, by name without ``.weight``."""
    return {
        name.removesuffix(".weight"): shape
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) == 2 and any(word in name for word in words)
    }


def kohya(layers: Shapes, prefix: str = "lora_unet_") -> Shapes:
    names: dict[str, tuple[int, ...]] = {}
    for layer, (out, width) in layers.items():
        start = prefix + layer.replace(".", "_")
        names |= {f"{start}.lora_down.weight": (RANK, width), f"{start}.lora_up.weight": (out, RANK)}
        names[f"{start}.alpha"] = ()
    return names


def diffusers_style(layers: Shapes, prefix: str = "unet.") -> Shapes:
    names: dict[str, tuple[int, ...]] = {}
    for layer, (out, width) in layers.items():
        names |= {f"{prefix}{layer}.lora.down.weight": (RANK, width), f"{prefix}{layer}.lora.up.weight": (out, RANK)}
    return names


def attention_processors(layers: Shapes) -> Shapes:
    """How diffusers wrote them at first."""
    names: dict[str, tuple[int, ...]] = {}
    for layer, (out, width) in layers.items():
        block, _, projection = layer.removesuffix(".0").rpartition(".")
        start = f"unet.{block}.processor.{projection}_lora."
        names |= {f"{start}down.weight": (RANK, width), f"{start}up.weight": (out, RANK)}
    return names


def peft(layers: Shapes, prefix: str = "base_model.model.") -> Shapes:
    names: dict[str, tuple[int, ...]] = {}
    for layer, (out, width) in layers.items():
        names |= {f"{prefix}{layer}.lora_A.weight": (RANK, width), f"{prefix}{layer}.lora_B.weight": (out, RANK)}
    return names


def with_diffusers_prefix(layers: Shapes) -> Shapes:
    return peft(layers, "transformer.")


def with_original_prefix(layers: Shapes) -> Shapes:
    return peft(layers, "diffusion_model.")


ATTENTION = ("attn1.to_", "attn2.to_")
U_NETS = {"sd-1": "sd-1 unet", "sd-2": "sd-2 unet", "sdxl": "sdxl unet", "sdxl-refiner": "refiner unet"}
TRANSFORMERS = {
    "sd-3": ("sd-3", (".attn.to_", ".attn.add_")),
    "flux-1": ("flux-1", (".attn.to_", ".attn.add_", "proj_mlp")),
    "flux-2": ("flux-2", (".attn.to_", ".attn.add_")),
    "qwen-image": ("qwen-image", (".attn.to_", ".attn.add_")),
    "z-image": ("z-image", (".attention.to_",)),
    "wan-2": ("wan-2", ("attn1.to_", "attn2.to_", "ffn.net")),
    "ltx": ("ltx", ("attn1.to_", "attn2.to_")),
    "ltx-2": ("ltx-2", ("attn1.to_", "attn2.to_")),
    "cosmos": ("cosmos 2", ("attn1.to_", "attn2.to_")),
    "hunyuan-video": ("hunyuan-video", (".attn.to_", ".attn.add_")),
}


def _identify(shapes: Shapes, tmp_path: Path) -> tuple[str, str]:
    identity = identify(write_header(tmp_path / "x.safetensors", shapes))
    assert not identity.problem
    return identity.kind, identity.architecture


@pytest.mark.parametrize("style", [kohya, diffusers_style, attention_processors, peft])
@pytest.mark.parametrize("architecture", U_NETS)
def test_lora_of_u_nets(architecture: str, style: Callable[[Shapes], Shapes], tmp_path: Path) -> None:
    layers = _layers(shapes_of(U_NETS[architecture]), *ATTENTION)
    assert _identify(style(layers), tmp_path) == ("lora", architecture)


@pytest.mark.parametrize(
    ("architecture", "layout"),
    [
        ("sd-1", original.unet(original.SD_1)),
        ("sdxl", original.unet(original.SDXL)),
        ("flux-1", original.flux()),
        ("sd-3", original.sd_3()),
    ],
    ids=["sd-1", "sdxl", "flux-1", "sd-3"],
)
@pytest.mark.parametrize("style", [kohya, with_original_prefix])
def test_lora_in_original_names(
    architecture: str, layout: Shapes, style: Callable[[Shapes], Shapes], tmp_path: Path
) -> None:
    layers = _layers(layout, "attn1.to_", "attn2.to_", "attn.qkv", "linear1")
    assert _identify(style(layers), tmp_path) == ("lora", architecture)


@pytest.mark.parametrize("style", [kohya, peft, with_diffusers_prefix])
@pytest.mark.parametrize("architecture", TRANSFORMERS)
def test_lora_of_transformers(architecture: str, style: Callable[[Shapes], Shapes], tmp_path: Path) -> None:
    model, words = TRANSFORMERS[architecture]
    assert _identify(style(_layers(shapes_of(model), *words)), tmp_path) == ("lora", architecture)


def test_lora_of_text_encoders_alone(tmp_path: Path) -> None:
    layers = _layers(original.clip(768, 12), "self_attn", "mlp")
    assert _identify(kohya(layers, "lora_te_"), tmp_path) == ("lora", "sd-1")
    assert _identify(diffusers_style(layers, "text_encoder."), tmp_path) == ("lora", "sd-1")
    assert _identify(kohya(layers, "lora_te1_"), tmp_path) == ("lora", UNKNOWN)
    assert _identify(kohya(layers, "lora_te2_"), tmp_path) == ("lora", "sdxl")


def test_what_could_be_one_of_two_is_unknown(tmp_path: Path) -> None:
    films_alone = _layers(shapes_of("ltx-2"), "0.attn1.to_", "0.attn2.to_")
    assert _identify(kohya({name: films_alone[name] for name in films_alone if "audio" not in name}), tmp_path) == (
        "lora",
        UNKNOWN,
    )
    assert _identify(kohya(_layers(shapes_of("pixart"), *ATTENTION)), tmp_path) == ("lora", UNKNOWN)


def test_a_dora_is_a_lora_with_a_scale_for_every_layer(tmp_path: Path) -> None:
    layers = _layers(shapes_of("sdxl unet"), *ATTENTION)
    of_kohya = {f"lora_unet_{layer.replace('.', '_')}.dora_scale": (out, 1) for layer, (out, _) in layers.items()}
    of_peft = {f"base_model.model.{layer}.lora_magnitude_vector": (out,) for layer, (out, _) in layers.items()}
    assert _identify({**kohya(layers), **of_kohya}, tmp_path) == ("lora", "sdxl")
    assert _identify({**peft(layers), **of_peft}, tmp_path) == ("lora", "sdxl")


def test_motion_lora(tmp_path: Path) -> None:
    layers = _layers(shapes_of("motion adapter"), "attn1.to_")
    assert _identify(peft(layers, "unet."), tmp_path) == ("lora", "sd-1")


def test_lycoris(tmp_path: Path) -> None:
    hadamard: dict[str, tuple[int, ...]] = {}
    kronecker: dict[str, tuple[int, ...]] = {}
    for layer, (out, width) in _layers(shapes_of("sdxl unet"), *ATTENTION).items():
        start = "lycoris_" + layer.replace(".", "_")
        for matrix in ("hada_w1", "hada_w2"):
            hadamard |= {f"{start}.{matrix}_a": (out, RANK), f"{start}.{matrix}_b": (RANK, width)}
        kronecker |= {f"{start}.lokr_w1": (8, 8), f"{start}.lokr_w2": (out // 8, width // 8), f"{start}.alpha": ()}
    assert _identify(hadamard, tmp_path)[0] == "lycoris"
    assert _identify(kronecker, tmp_path) == ("lycoris", "sdxl")


def test_metadata_help_only_where_shapes_do_not_tell(tmp_path: Path) -> None:
    nameless = {"lora_unet_somewhere.lora_down.weight": (4, 64), "lora_unet_somewhere.lora_up.weight": (64, 4)}
    told = {"ss_base_model_version": "sdxl_base_v1-0", "ss_output_name": "mine"}
    identity = identify(write_header(tmp_path / "a.safetensors", nameless, metadata=told))
    assert (identity.kind, identity.architecture, identity.title) == ("lora", "sdxl", "mine")
    certain = kohya(_layers(shapes_of("sd-1 unet"), *ATTENTION))
    assert identify(write_header(tmp_path / "b.safetensors", certain, metadata=told)).architecture == "sd-1"
