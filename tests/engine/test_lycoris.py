"""LoHa, LoKr and DoRA, from PEFT's folders and LyCORIS's files: worn as PEFT wears them, taken off to the bit."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

from desktop_app.checkpoints.finding import files_in
from desktop_app.checkpoints.identify import identify
from desktop_app.core.errors import AppError
from desktop_app.engine.lora import find_wanted, fit, load_lora, worn
from desktop_app.prompt.tags import lora_tags
from tests.core.test_request import FACTS
from tests.engine.conftest import MODEL

peft = pytest.importorskip("peft", reason="the oracle of these tests")

TARGETS = ["to_q", "to_k", "proj_in", "ff.net.0.proj", "conv1", "conv_shortcut"]
RANK, ALPHA = 4, 2.0
PLAIN: dict[str, Any] = {"r": RANK, "alpha": ALPHA, "target_modules": TARGETS, "init_weights": False}


def loha(**changes: Any) -> Any:
    return peft.LoHaConfig(**{**PLAIN, **changes})


def lokr(**changes: Any) -> Any:
    return peft.LoKrConfig(**{**PLAIN, **changes})


def dora(**changes: Any) -> Any:
    values = {"r": RANK, "lora_alpha": ALPHA, "target_modules": TARGETS, "init_lora_weights": False, "use_dora": True}
    return peft.LoraConfig(**{**values, **changes})


CONFIGS = {
    "LoHa": loha(),
    "LoHa with kernels": loha(use_effective_conv2d=True),
    "LoKr": lokr(decompose_factor=2, r=1),
    "LoKr, both in factors": lokr(decompose_both=True, decompose_factor=4, r=1),
    "LoKr with kernels": lokr(use_effective_conv2d=True, decompose_factor=2, r=2),
    "LoKr, two whole matrices": lokr(r=64, alpha=32),
    "DoRA": dora(),
    "LoRA by the root of its rank": dora(use_dora=False, use_rslora=True),
}


@pytest.fixture(scope="module")
def unet(models: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(models / MODEL / "unet").eval().requires_grad_(False)


def with_adapter(unet: nn.Module, config: Any) -> Any:
    """PEFT's model, its matrices large enough to be seen; the magnitudes of DoRA as well."""
    torch.manual_seed(5)
    model = peft.get_peft_model(deepcopy(unet), config).eval()
    for name, value in model.named_parameters():
        if "lora_magnitude_vector" in name:
            value.data *= 1 + torch.rand_like(value) / 2
        elif value.requires_grad:
            value.data += torch.randn_like(value) / 8
    return model.requires_grad_(False)


def peft_folder(folder: Path, model: Any, config: Any) -> Path:
    (folder / "ink").mkdir(exist_ok=True)
    alpha = {"lora_alpha": ALPHA, "use_rslora": config.use_rslora} if hasattr(config, "lora_alpha") else {}
    told = {"r": config.r, **(alpha or {"alpha": config.alpha})}
    (folder / "ink" / "adapter_config.json").write_text(json.dumps(told))
    return written(peft.get_peft_model_state_dict(model), folder / "ink" / "adapter_model.safetensors")


def lycoris_file(folder: Path, model: Any, config: Any) -> Path:
    """The same in the names of LyCORIS, with an alpha for each layer."""
    tensors = {}
    for name, value in peft.get_peft_model_state_dict(model).items():
        layer, _, role = name.removeprefix("base_model.model.").rpartition(".")
        if role == "weight":
            layer, _, role = layer.rpartition(".")
            role = {"lora_A": "lora_down.weight", "lora_B": "lora_up.weight"}[role]
        if role == "lora_magnitude_vector":
            role, value = "dora_scale", value.reshape(-1, *[1] * (value.dim() - 1 or 1))
        start = "lora_unet_" + layer.replace(".", "_")
        tensors |= {f"{start}.{role}": value, f"{start}.alpha": torch.tensor(config_alpha(config))}
    return written(tensors, folder / "ink.safetensors")


def config_alpha(config: Any) -> float:
    return float(config.lora_alpha if hasattr(config, "lora_alpha") else config.alpha)


def written(tensors: dict[str, Tensor], path: Path) -> Path:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path


def said(unet: Any) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    words = torch.randn(2, 7, unet.config.cross_attention_dim, generator=generator)
    with torch.inference_mode():
        return unet(latents, torch.tensor(500), words).sample


def wear(unet: nn.Module, path: Path, weight: float = 1.0) -> Any:
    lora = load_lora(path, torch.device("cpu"), lambda: None)
    return worn([fit(lora, {"denoiser": unet}, {"denoiser": weight}, "Tiny")])


@pytest.mark.parametrize("kind", CONFIGS)
def test_layers_say_what_they_say_with_peft(kind: str, unet: Any, tmp_path: Path) -> None:
    config = CONFIGS[kind]
    theirs = with_adapter(unet, config)
    expected, plain = said(theirs), said(unet)
    assert not torch.allclose(expected, plain, atol=1e-2)
    with wear(unet, peft_folder(tmp_path, theirs, config)):
        assert torch.allclose(said(unet), expected, atol=1e-5)
    if kind not in ("LoKr, two whole matrices", "LoRA by the root of its rank"):  # LyCORIS has other rules for these
        with wear(unet, lycoris_file(tmp_path, theirs, config)):
            assert torch.allclose(said(unet), expected, atol=1e-5)
    assert torch.equal(said(unet), plain), "it is itself again, to the bit"


def test_dora_weighs_as_diffusers_sets_it(unet: Any, tmp_path: Path) -> None:
    """Half as strong means half the matrices at the magnitudes as they are."""
    theirs = with_adapter(unet, dora())
    for layer in theirs.modules():
        if isinstance(layer, peft.tuners.lora.LoraLayer):
            layer.set_scale("default", 0.5)
    with wear(unet, peft_folder(tmp_path, theirs, dora()), 0.5):
        assert torch.allclose(said(unet), said(theirs), atol=1e-5)


def test_two_whole_matrices_of_lycoris_have_no_alpha(tmp_path: Path) -> None:
    layer = nn.Linear(6, 4, bias=False)
    one, other = torch.randn(2, 3), torch.randn(2, 2)
    path = written(
        {"lora_unet_x.lokr_w1": one, "lora_unet_x.lokr_w2": other, "lora_unet_x.alpha": torch.tensor(1e9)},
        tmp_path / "ink.safetensors",
    )
    x = torch.randn(1, 6)
    expected = x @ (layer.weight + torch.kron(one, other)).T
    with wear(nn.ModuleDict({"x": layer}), path):
        assert torch.allclose(layer(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    "factors",
    [
        {"lora_down.weight": (2, 6), "lora_up.weight": (4, 3)},
        {"lora_down.weight": (2, 6), "lora_up.weight": (5, 2)},
        {"hada_w1_a": (4, 2), "hada_w1_b": (2, 6), "hada_w2_a": (4, 2), "hada_w2_b": (2, 5)},
        {"lokr_w1": (2, 2), "lokr_w2": (2, 4)},
    ],
)
def test_factors_that_do_not_fit_each_other_or_the_layer_are_refused(factors: dict, tmp_path: Path) -> None:
    path = written({f"lora_unet_x.{role}": torch.ones(shape) for role, shape in factors.items()}, tmp_path / "ink.sft")
    with pytest.raises(AppError, match="does not fit Tiny"), wear(nn.ModuleDict({"x": nn.Linear(6, 4)}), path):
        pass


def test_factors_that_are_no_matrices_change_nothing(tmp_path: Path) -> None:
    tensors = {"lora_unet_x.lora_down.weight": torch.tensor(1.0), "lora_unet_x.lokr_w1": torch.ones(2, 2)}
    with pytest.raises(AppError, match="changes no layer"):
        load_lora(written(tensors, tmp_path / "ink.sft"), torch.device("cpu"), lambda: None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("oft_blocks", "OFT"), ("oft_R.default", "OFT"), ("on_input", "IA3"), ("diff", "full difference")],
)
def test_what_cannot_be_worn_is_named_from_the_header(name: str, kind: str, tmp_path: Path) -> None:
    tensors = {"lora_unet_x.lora_down.weight": torch.ones(1, 4), "lora_unet_x.lora_up.weight": torch.ones(4, 1)}
    written({**tensors, f"lora_unet_x.{name}": torch.ones(4)}, tmp_path / "ink.safetensors")
    assert identify(tmp_path / "ink.safetensors").variant == kind
    with pytest.raises(AppError, match=f"ink is of the kind {kind}"):
        find_wanted(lora_tags("<lora:ink:1>"), replace(FACTS, controls=frozenset({"lora"})), files_in([tmp_path]))


@pytest.mark.parametrize(("shape", "sentence"), [((1, 4), "DoRA over inputs"), ((3, 1), "does not fit Tiny")])
def test_magnitudes_that_are_not_of_the_rows_are_refused(shape: tuple, sentence: str, tmp_path: Path) -> None:
    tensors = {"lora_unet_x.lora_down.weight": torch.ones(1, 4), "lora_unet_x.lora_up.weight": torch.ones(4, 1)}
    path = written({**tensors, "lora_unet_x.dora_scale": torch.ones(shape)}, tmp_path / "ink.safetensors")
    layers = nn.ModuleDict({"x": nn.Linear(4, 4)})
    with pytest.raises(AppError, match=sentence), wear(layers, path):
        pass
    assert not layers["x"]._forward_hooks
