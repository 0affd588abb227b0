"""LoRAs of FLUX.1 as diffusers, kohya, XLabs and the original code spell them, worn as diffusers and PEFT wear them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import FluxTransformer2DModel
from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers
from safetensors.torch import save_file
from torch import Tensor

from desktop_app.checkpoints.identify import identify
from desktop_app.core.errors import AppError
from desktop_app.engine.families.flux import Flux
from desktop_app.engine.lora import fit, load_lora, worn
from desktop_app.engine.lora_changes import LowRank
from tests.engine.conftest import CPU, request_for
from tests.tiny_flow_models import tiny_flux_pipeline
from tests.tiny_models import loaded as finished

RANK = 4
WEIGHTS = {"denoiser": 1.0, "text": 1.0, "text-2": 1.0}
Shapes = dict[str, tuple[int, int]]
WIDE = 3072
PUBLISHED: Shapes = {
    **{
        f"double_blocks_0_{side}_{layer}": shape
        for side in ("img", "txt")
        for layer, shape in {
            "attn_qkv": (3 * WIDE, WIDE),
            "attn_proj": (WIDE, WIDE),
            "mlp_0": (4 * WIDE, WIDE),
            "mlp_2": (WIDE, 4 * WIDE),
            "mod_lin": (6 * WIDE, WIDE),
        }.items()
    },
    "single_blocks_0_linear1": (7 * WIDE, WIDE),
    "single_blocks_0_linear2": (WIDE, 5 * WIDE),
    "single_blocks_0_modulation_lin": (3 * WIDE, WIDE),
    "img_in": (WIDE, 64),
    "txt_in": (WIDE, 4096),
    **{f"{name}_in_in_layer": (WIDE, width) for name, width in (("time", 256), ("vector", 768), ("guidance", 256))},
    **{f"{name}_in_out_layer": (WIDE, WIDE) for name in ("time", "vector", "guidance")},
    "final_layer_linear": (64, WIDE),
    "final_layer_adaLN_modulation_1": (2 * WIDE, WIDE),
}
"""Layers of FLUX.1 dev by the names of its original code: (outputs, inputs)."""


def factors(shape: tuple[int, int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    down, up = torch.randn(RANK, shape[1], generator=generator), torch.randn(shape[0], RANK, generator=generator)
    return down / 4, up / 4


def kohya(shapes: Shapes) -> dict[str, Tensor]:
    generator, tensors = torch.Generator().manual_seed(4), {}
    for layer, shape in shapes.items():
        down, up = factors(shape, generator)
        start = layer if layer.startswith("lora_te") else f"lora_unet_{layer}"
        tensors |= {f"{start}.lora_down.weight": down, f"{start}.lora_up.weight": up}
        if "final" not in layer:  # diffusers leaves out their alpha
            tensors[f"{start}.alpha"] = torch.tensor(2.0)
    return tensors


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> Flux:
    folder = tmp_path_factory.mktemp("flux")
    tiny_flux_pipeline().save_pretrained(folder)
    return finished(Flux.load(folder, CPU, lambda: None))


def tiny_shapes(flux: Flux) -> Shapes:
    """What diffusers takes of a model this small: its converter has the width of the fused single blocks written in,
    and with transformers 5 the attention of kohya's text encoders is lost on the way.
    """
    wide = flux.transformer.config.num_attention_heads * flux.transformer.config.attention_head_dim
    text = flux.clip.encoder.config
    shapes = {
        name: (outputs * wide // WIDE, inputs * wide // WIDE)
        for name, (outputs, inputs) in PUBLISHED.items()
        if "_blocks_" in name and "linear1" not in name
    }
    shapes["lora_te1_text_model_encoder_layers_0_mlp_fc1"] = (text.intermediate_size, text.hidden_size)
    return shapes


def xlabs(flux: Flux) -> dict[str, Tensor]:
    wide = flux.transformer.config.num_attention_heads * flux.transformer.config.attention_head_dim
    generator, tensors = torch.Generator().manual_seed(4), {}
    double, single = "double_blocks.0.processor", "single_blocks.0.processor"
    shapes = {f"{double}.qkv_lora{side}": (3 * wide, wide) for side in (1, 2)}
    shapes |= {f"{double}.proj_lora{side}": (wide, wide) for side in (1, 2)}
    shapes |= {f"{single}.qkv_lora": (3 * wide, wide), f"{single}.proj_lora": (wide, 5 * wide)}
    for name, shape in shapes.items():
        down, up = factors(shape, generator)
        tensors |= {f"{name}.down.weight": down, f"{name}.up.weight": up}
    return tensors


def diffusers_style(flux: Flux, prefix: str = "transformer.") -> dict[str, Tensor]:
    generator, tensors = torch.Generator().manual_seed(4), {}
    for name, layer in flux.transformer.named_modules():
        if name.endswith((".to_q", ".add_v_proj", ".proj_mlp", ".to_out.0", ".ff.net.2")):
            down, up = factors(tuple(layer.weight.shape), generator)
            tensors |= {f"{prefix}{name}.lora_A.weight": down, f"{prefix}{name}.lora_B.weight": up}
    return tensors


def original_style(shapes: Shapes) -> dict[str, Tensor]:
    """As ComfyUI's and others' trainers call the layers of the original code."""
    tensors = {}
    for name, value in kohya({layer: shape for layer, shape in shapes.items() if "lora_te" not in layer}).items():
        layer, _, role = name.removeprefix("lora_unet_").partition(".")
        block, number, rest = layer.split("_blocks_")[0], *layer.split("_blocks_")[1].split("_", 1)
        rest = rest.replace("attn_", "attn.").replace("mlp_", "mlp.").replace("mod_", "mod.").replace("tion_", "tion.")
        tensors[f"diffusion_model.{block}_blocks.{number}.{rest}.{role}"] = value
    return tensors


def said(flux: Flux) -> tuple[Tensor, Tensor]:
    """What the transformer predicts, and what CLIP makes of a prompt."""
    request = request_for(width=64, height=64, guidance_scale=3.5)
    told = flux.encode(flux.tokenize(request, "none"))
    predict = flux.predictor(told, request, "none", None, torch.Generator())
    with torch.inference_mode():
        return predict(flux.noise(request, torch.Generator().manual_seed(1)), torch.tensor(500.0)), told.pooled


def wear(flux: Flux, tensors: dict[str, Tensor], path: Path) -> Any:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return worn([fit(load_lora(path, CPU.torch_device, lambda: None), flux.adaptable, WEIGHTS, "Tiny")])


@pytest.mark.parametrize("style", ["kohya", "XLabs", "diffusers", "original code"])
def test_predictions_equal_diffusers_and_peft_bit_for_bit(style: str, flux: Flux, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="the oracle of this test alone")
    shapes = tiny_shapes(flux)
    tensors = {
        "kohya": lambda: kohya(shapes),
        "XLabs": lambda: xlabs(flux),
        "diffusers": lambda: diffusers_style(flux),
        "original code": lambda: original_style(shapes),
    }[style]()
    pipeline = tiny_flux_pipeline()
    pipeline.load_lora_weights({name: value.clone() for name, value in tensors.items()}, adapter_name="ink")
    theirs = said(
        replace(flux, transformer=pipeline.transformer, clip=replace(flux.clip, encoder=pipeline.text_encoder))
    )
    plain = said(flux)
    with wear(flux, tensors, tmp_path / "ink.safetensors"):
        ours = said(flux)
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])
    assert not torch.allclose(ours[0], plain[0])
    assert torch.equal(ours[1], plain[1]) == (style != "kohya")
    assert all(map(torch.equal, said(flux), plain)), "it is itself again, to the bit"


def test_every_layer_of_the_published_model_has_the_matrices_that_diffusers_gives_it(tmp_path: Path) -> None:
    with init_empty_weights():
        transformer: Any = FluxTransformer2DModel(num_layers=1, num_single_layers=1, guidance_embeds=True)
    tensors = kohya(PUBLISHED)
    save_file(tensors, tmp_path / "ink.safetensors")
    assert identify(tmp_path / "ink.safetensors").architecture == "flux-1"
    lora = load_lora(tmp_path / "ink.safetensors", CPU.torch_device, lambda: None)
    worn_by_it = fit(lora, {"denoiser": transformer}, WEIGHTS, "FLUX.1")
    assert not worn_by_it.notices
    theirs = {
        name.removeprefix("transformer."): value
        for name, value in _convert_kohya_flux_lora_to_diffusers(tensors).items()
    }
    names = {id(layer): name for name, layer in transformer.named_modules()}
    assert len(worn_by_it.layers) == len(theirs) / 2 == len(PUBLISHED) + 2 + 2 + 3
    for layer, change, _ in worn_by_it.layers:
        assert isinstance(change.product, LowRank)
        name = names[id(layer)]
        assert torch.equal(change.product.up, theirs[f"{name}.lora_B.weight"]), name
        assert torch.equal(change.product.down * change.scale, theirs[f"{name}.lora_A.weight"]), name


@pytest.mark.parametrize("prefix", ["transformer.", "base_model.model.", "lycoris."])
def test_any_prefix_finds_the_layers(prefix: str, flux: Flux, tmp_path: Path) -> None:
    tensors = diffusers_style(flux, prefix)
    if prefix == "lycoris.":
        tensors = {
            name.replace(".lora", "|lora")
            .replace(".", "_")
            .replace("|lora_A_weight", ".lora_down.weight")
            .replace("|lora_B_weight", ".lora_up.weight"): value
            for name, value in tensors.items()
        }
    with wear(flux, tensors, tmp_path / "ink.safetensors"):
        ours = said(flux)
    with wear(flux, diffusers_style(flux), tmp_path / "ink.safetensors"):
        assert torch.equal(said(flux)[0], ours[0])


def test_a_fused_layer_of_another_size_is_refused(flux: Flux, tmp_path: Path) -> None:
    wide = flux.transformer.config.num_attention_heads * flux.transformer.config.attention_head_dim
    tensors = kohya({"single_blocks_0_linear1": (6 * wide, wide)})
    with pytest.raises(AppError, match="does not fit Tiny"), wear(flux, tensors, tmp_path / "ink.safetensors"):
        pass


def test_a_kronecker_product_for_a_fused_layer_is_divided_by_rows(flux: Flux, tmp_path: Path) -> None:
    wide = flux.transformer.config.num_attention_heads * flux.transformer.config.attention_head_dim
    generator = torch.Generator().manual_seed(4)
    one, other = torch.randn(7, 2, generator=generator) / 4, torch.randn(wide, wide // 2, generator=generator) / 4
    start = "lora_unet_single_blocks_0_linear1"
    whole = torch.kron(one, other)
    low = {f"{start}.lora_down.weight": torch.eye(wide), f"{start}.lora_up.weight": whole}
    with wear(flux, low, tmp_path / "low.safetensors"):
        expected = said(flux)[0]
    with wear(flux, {f"{start}.lokr_w1": one, f"{start}.lokr_w2": other}, tmp_path / "ink.safetensors"):
        assert torch.allclose(said(flux)[0], expected, atol=1e-5)


def test_xlabs_is_known_by_its_names(tmp_path: Path) -> None:
    for only in ("double_blocks.0.processor.qkv_lora1", "double_blocks.3.processor.proj_lora2"):
        save_file(
            {f"{only}.down.weight": torch.ones(RANK, 8), f"{only}.up.weight": torch.ones(8, RANK)}, tmp_path / "x.sft"
        )
        identity = identify(tmp_path / "x.sft")
        assert (identity.kind, identity.architecture) == ("lora", "flux-1")
