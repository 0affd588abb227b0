"""LoRAs in the formats of kohya, diffusers and PEFT: worn as diffusers and PEFT wear them, and taken off to the bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.loras import require_fit
from desktop_app.core.catalog import FilmFacts
from desktop_app.core.errors import AppError
from desktop_app.core.events import Notice
from desktop_app.core.guidance_form import BATCHED
from desktop_app.core.result import UsedFile
from desktop_app.engine.denoise import denoise
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.animate_diff import AnimateDiff
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.lora import fit, load_lora, worn
from desktop_app.engine.lora_changes import Change, LowRank, added
from desktop_app.engine.lora_names import from_original, split_name
from desktop_app.engine.schedulers import build_scheduler
from tests.checkpoints import original_layouts as original
from tests.checkpoints.real_models import shapes_of
from tests.engine.conftest import CPU, MODEL, loaded, pictures, request_for, run
from tests.tiny_models import SIZE, tiny_motion_adapter
from tests.tiny_models import loaded as finished

RANK = 3
UNET = (".to_q", ".to_k", ".to_v", ".to_out.0", ".ff.net.0.proj", ".conv1", ".proj_in")
Factors = dict[tuple[str, str], tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def pipeline(models: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(models / MODEL)
    pipeline.set_progress_bar_config(disable=True)
    for module in (pipeline.text_encoder, pipeline.unet, pipeline.vae):
        module.requires_grad_(False)
    return pipeline


@pytest.fixture(scope="module")
def factors(pipeline: StableDiffusionPipeline) -> Factors:
    """Matrices large enough to be seen, for every kind of layer that people train."""
    generator = torch.Generator().manual_seed(3)
    found = {}
    layers = [("unet", name, layer) for name, layer in pipeline.unet.named_modules() if name.endswith(UNET)]
    text = pipeline.text_encoder.named_modules()
    layers += [("text_encoder", name, layer) for name, layer in text if name.endswith("_proj")]
    for part, name, layer in layers:
        up, down, *kernel = layer.weight.shape
        found[part, name] = (
            torch.randn(RANK, down, *kernel, generator=generator) / 4,
            torch.randn(up, RANK, *[1] * len(kernel), generator=generator) / 4,
        )
    assert {part for part, _ in found} == {"unet", "text_encoder"}
    return found


def kohya(folder: Path, factors: Factors, name: str = "ink") -> Path:
    tensors = {}
    for (part, layer), (down, up) in factors.items():
        plain = layer.replace(".", "_").removeprefix("text_model_")
        start = f"lora_unet_{plain}" if part == "unet" else f"lora_te_text_model_{plain}"
        tensors |= {
            f"{start}.lora_down.weight": down,
            f"{start}.lora_up.weight": up,
            f"{start}.alpha": torch.tensor(2.0),
        }
    return _saved(tensors, folder / f"{name}.safetensors")


def diffusers_style(folder: Path, factors: Factors, name: str = "ink") -> Path:
    tensors = {}
    for (part, layer), (down, up) in factors.items():
        tensors |= {f"{part}.{layer}.lora_A.weight": down, f"{part}.{layer}.lora_B.weight": up}
    return _saved(tensors, folder / f"{name}.safetensors")


def peft_style(folder: Path, factors: Factors) -> Path:
    """PEFT writes a folder for one module."""
    tensors = {}
    for (part, name), (down, up) in factors.items():
        if part == "unet":
            tensors |= {f"base_model.model.{name}.lora_A.weight": down, f"base_model.model.{name}.lora_B.weight": up}
    (folder / "ink").mkdir()
    (folder / "ink" / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": 6}))
    return _saved(tensors, folder / "ink" / "adapter_model.safetensors")


def _saved(tensors: dict[str, Tensor], path: Path) -> Path:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)
    return path


STYLES: dict[str, tuple[Callable[[Path, Factors], Path], float]] = {
    "kohya": (kohya, 2.0),
    "diffusers": (diffusers_style, RANK),
    "peft": (peft_style, 6.0),
}
"""Style: (writer, alpha of its layers)."""


def merged(module: nn.Module, factors: Factors, part: str, scale: float) -> nn.Module:
    """A copy of ``module`` whose weights have the change in them: the definition, W + scale · up · down."""
    module = deepcopy(module)
    for (owner, name), (down, up) in factors.items():
        if owner == part:
            layer: Any = module.get_submodule(name)
            layer.weight += scale * torch.einsum("or,ri...->oi...", up.flatten(1), down)
    return module


def latents(model: StableDiffusion) -> Tensor:
    request = request_for(negative_prompt="night", scheduler="ddim", steps=2)
    told = model.encode(model.tokenize(request, BATCHED))
    generator = torch.Generator().manual_seed(request.seed)
    scheduler = build_scheduler("ddim", "default", model.scheduler_config, request.steps, "tiny")
    predict = model.predictor(told, request, BATCHED, None, generator)
    *_, last = denoise(predict, scheduler, model.noise(request, generator), request.steps, generator)
    return last.latents


def theirs(pipeline: StableDiffusionPipeline) -> Tensor:
    return pipeline(
        "a red house",
        negative_prompt="night",
        width=SIZE,
        height=SIZE,
        num_inference_steps=2,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
    ).images


def parts(model: StableDiffusion) -> dict[str, nn.Module]:
    return {"denoiser": model.unet, "text": model.text.encoder}


def wear(model: StableDiffusion, path: Path, text: float = 0.8, denoiser: float = 0.8) -> Any:
    lora = load_lora(path, torch.device("cpu"), lambda: None)
    return worn([fit(lora, parts(model), {"text": text, "denoiser": denoiser}, "Tiny")])


@pytest.fixture(scope="module")
def model(models: Path) -> StableDiffusion:
    return finished(StableDiffusion.load(models / MODEL, CPU, lambda: None))


@pytest.mark.parametrize("style", STYLES)
def test_a_layer_says_what_merged_weights_say(style, model, pipeline, factors, tmp_path):
    write, alpha = STYLES[style]
    path = write(tmp_path, factors)
    plain = latents(model)
    with wear(model, path, text=0.5, denoiser=0.8):
        ours = latents(model)
    changed = deepcopy(pipeline)
    changed.unet = merged(pipeline.unet, factors, "unet", 0.8 * alpha / RANK)
    if style != "peft":
        changed.text_encoder = merged(pipeline.text_encoder, factors, "text_encoder", 0.5 * alpha / RANK)
    assert torch.allclose(ours, theirs(changed), atol=2e-4)
    assert not torch.allclose(ours, plain, atol=1e-2)
    assert torch.equal(latents(model), plain), "it is itself again, to the bit"


@pytest.mark.parametrize("style", STYLES)
def test_latents_equal_diffusers_and_peft_bit_for_bit(style, model, pipeline, factors, tmp_path):
    pytest.importorskip("peft", reason="the oracle of this test alone")
    write, alpha = STYLES[style]
    path = write(tmp_path, factors)
    pipeline = deepcopy(pipeline)
    if style == "peft":
        scales = {name.removesuffix(".lora_B.weight") + ".alpha": alpha for name in load_file(path) if "lora_B" in name}
        pipeline.unet.load_lora_adapter(load_file(path), "base_model.model", adapter_name="ink", network_alphas=scales)
        pipeline.unet.set_adapters(["ink"], [0.8])
    else:
        pipeline.load_lora_weights(path.parent, weight_name=path.name, adapter_name="ink")
        pipeline.set_adapters(["ink"], [0.8])
    expected = theirs(pipeline)
    with wear(model, path):
        assert torch.equal(latents(model), expected)


@pytest.fixture
def with_loras(engine: Engine, models: Path, factors: Factors) -> Iterator[Engine]:
    """The engine, with LoRAs beside its model."""
    folder = models / "loras"
    folder.mkdir()
    some = dict(list(factors.items())[:2])
    foreign = {("unet", "down_blocks.9.attn.to_q"): tuple(map(torch.clone, next(iter(factors.values()))))}
    wide = {layer: (down.repeat_interleave(2, 1), up) for layer, (down, up) in some.items()}
    kohya(folder, factors)
    diffusers_style(folder, some, "Brush")
    diffusers_style(folder, foreign, "foreign")
    kohya(folder, {**some, **foreign}, "partly")
    kohya(folder, wide, "wide")
    (folder / "page.safetensors").write_text("<html>sign in</html>")
    yield engine
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def drawn(engine: Engine, prompt: str, **changes: Any) -> bytes:
    request = request_for(prompt=prompt, steps=1, prompt_syntax=1, **changes)
    (picture,) = pictures(run(engine, request))
    assert picture.result.request.prompt == prompt
    return bytes(picture.frames.data)


def test_a_tag_in_the_prompt_puts_it_on_for_one_picture(with_loras):
    plain = drawn(with_loras, "a red house")
    strong = drawn(with_loras, "a red house<lora:ink:1>")
    weak = drawn(with_loras, "a red house<lora:ink:0.3>")
    both = drawn(with_loras, "a red house<lora:INK:0.3><lora:brush:0.5>")
    assert len({plain, strong, weak, both}) == 4
    assert drawn(with_loras, "a red house<lora:ink:0>") == plain
    assert drawn(with_loras, "a red house", negative_prompt="<lora:ink:1>") == plain
    assert drawn(with_loras, "a red house<lora:ink:0.1><lora:ink:0.2>") == weak
    assert drawn(with_loras, "a red house<lora:ink:1>") == strong
    assert drawn(with_loras, "a red house") == plain
    assert not any(layer._forward_hooks for layer in loaded(with_loras).unet.modules())


def test_reweighting_reads_nothing_again(with_loras, monkeypatch):
    drawn(with_loras, "<lora:ink:1>")
    monkeypatch.setattr("desktop_app.engine.shelf.load_lora", lambda *_: pytest.fail("it was read again"))
    drawn(with_loras, "<lora:ink:0.7>")
    drawn(with_loras, "a house")
    drawn(with_loras, "<lora:ink:0.2>")


def test_a_recipe_tells_what_the_lora_was(with_loras, models):
    path = models / "loras" / "ink.safetensors"
    with_loras.digests.read(path, "lora")  # jobs do not wait for it
    (picture,) = pictures(run(with_loras, request_for(prompt="<lora:INK:1>", steps=1, prompt_syntax=1)))
    data = path.read_bytes()
    digest = hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    assert picture.result.run.files == (UsedFile("lora", "ink", digest, len(data)),)
    (picture,) = pictures(run(with_loras, request_for(steps=1)))
    assert picture.result.run.files == ()


def test_text_encoder_and_denoiser_have_weights_of_their_own(with_loras):
    versions = [drawn(with_loras, f"a house<lora:ink:{weights}>") for weights in ("1:1", "1:0", "0:1", "te=0:unet=0")]
    assert len(set(versions)) == 4
    assert versions[3] == drawn(with_loras, "a house")


@pytest.mark.parametrize(
    ("tag", "sentence"),
    [
        ("<lora:nowhere:1>", "There is no LoRA called “nowhere”"),
        ("<lora:ink:strong>", "“strong” is no weight"),
        ("<lora:foreign:1>", "changes layers that Tiny does not have"),
        ("<lora:wide:1>", "does not fit Tiny"),
        ("<lora:page:1>", "web page"),
    ],
)
def test_what_cannot_be_worn_is_named_and_leaves_no_trace(with_loras, tag, sentence):
    plain = drawn(with_loras, "a red house")
    with pytest.raises(AppError, match=sentence):
        drawn(with_loras, f"a red house<lora:ink:1>{tag}")
    assert drawn(with_loras, "a red house") == plain


def test_what_a_model_lacks_is_left_out_and_said(with_loras):
    request = request_for(prompt="a<lora:partly:1>", steps=1, prompt_syntax=1)
    notices = [event.message for event in run(with_loras, request) if isinstance(event, Notice)]
    assert [(notice.id, notice.values["lost"]) for notice in notices] == [("lora.partly", 1)]


def test_another_architecture_is_refused_before_anything_is_read():
    xl, sd = Identity(Path("ink.safetensors"), "lora", "sdxl"), Identity(Path("m"), "checkpoint", "sd-1")
    with pytest.raises(AppError, match=r"made for Stable Diffusion XL, and Dream is of Stable Diffusion 1"):
        require_fit(xl, sd, "Dream")
    require_fit(sd, sd, "Dream")
    require_fit(Identity(Path("ink.safetensors"), "lora"), sd, "Dream")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight",
            ("denoiser", "mid_block_attentions_0_proj_in", "down"),
        ),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", ("text", "encoder_layers_0_mlp_fc1", "up")),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha", ("text", "encoder_layers_0_mlp_fc1", "alpha")),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_mid.weight", ("text-2", "encoder_layers_0_mlp_fc1", "mid")),
        ("unet.a.attn1.to_out.0.lora.down.weight", ("denoiser", "a_attn1_to_out_0", "down")),
        ("unet.a.attn1.processor.to_out_lora.up.weight", ("denoiser", "a_attn1_to_out_0", "up")),
        ("a.attn1.processor.to_q_lora.down.weight", ("denoiser", "a_attn1_to_q", "down")),
        (
            "text_encoder.text_model.encoder.layers.0.q.lora_linear_layer.up.weight",
            ("text", "encoder_layers_0_q", "up"),
        ),
        ("text_encoder_2.encoder.layers.0.q.lora_A.weight", ("text-2", "encoder_layers_0_q", "down")),
        (
            "transformer.transformer_blocks.0.attn.to_q.lora_B.weight",
            ("denoiser", "transformer_blocks_0_attn_to_q", "up"),
        ),
        ("base_model.model.a.attn1.to_q.lora_A.default.weight", ("denoiser", "a_attn1_to_q", "down")),
        ("base_model.model.text_model.encoder.layers.0.q.lora_A.weight", ("text", "encoder_layers_0_q", "down")),
        ("lora_unet_x.hada_w1_a", ("denoiser", "x", "hada_w1_a")),
        ("lycoris_transformer_blocks_0_attn_to_q.lokr_w2", ("denoiser", "transformer_blocks_0_attn_to_q", "lokr_w2")),
        ("lora_transformer_transformer_blocks_0_a.alpha", ("denoiser", "transformer_blocks_0_a", "alpha")),
        ("unet.x.lora_magnitude_vector", ("denoiser", "x", "magnitude")),
        ("lora_te1_text_model_encoder_layers_0_q.dora_scale", ("text", "encoder_layers_0_q", "dora_scale")),
        ("text_encoders.clip_g.transformer.text_model.x.lora_A.weight", ("text-2", "x", "down")),
        ("diffusion_model.single_blocks.0.linear1.lora_B.weight", ("denoiser", "single_blocks_0_linear1", "up")),
        ("double_blocks.0.processor.qkv_lora1.down.weight", ("denoiser", "double_blocks_0_qkv_lora1", "down")),
        ("single_blocks.3.processor.proj_lora.up.weight", ("denoiser", "single_blocks_3_proj", "up")),
    ],
)
def test_names_of_every_program(name, parts):
    assert split_name(name) == parts
    assert split_name("lora_unet_x.hada_w3") is None


def test_names_of_the_original_code_equal_those_that_diffusers_makes_of_them():
    ends = ("1_transformer_blocks_0_attn1_to_q", "0_in_layers_2", "1_proj_in")
    layers = [f"input_blocks_{index}_{end}" for index in (1, 2, 4, 5, 7, 8) for end in ends]
    layers += [f"output_blocks_{index}_{end}" for index in range(9) for end in ends]
    layers += [
        "middle_block_1_transformer_blocks_9_attn2_to_v",
        "middle_block_0_out_layers_3",
        "middle_block_2_emb_layers_1",
    ]
    suffix = ".lora_down.weight"
    names = {f"lora_unet_{layer}{suffix}": torch.zeros(1) for layer in layers}
    config = type("Config", (), {"layers_per_block": 2})
    mapped = list(_maybe_map_sgm_blocks_to_diffusers(dict(names), config))
    expected = {name.removeprefix("lora_unet_").removesuffix(suffix) for name in mapped}
    later = {"in_layers_2": "conv1", "out_layers_3": "conv2", "emb_layers_1": "time_emb_proj"}
    later |= {"input_blocks": "down_blocks", "middle_block": "mid_block", "output_blocks": "up_blocks"}
    for before, after in later.items():
        expected = {name.replace(before, after) for name in expected}
    assert {from_original(layer, 2) for layer in layers} == expected
    assert from_original("down_blocks_0_attentions_1_proj_in", 2) == "down_blocks_0_attentions_1_proj_in"
    assert from_original("input_blocks_3_0_op", 2) == "down_blocks_0_downsamplers_0_conv"
    assert from_original("output_blocks_2_2_conv", 2) == "up_blocks_0_upsamplers_0_conv"


@pytest.mark.parametrize(("plan", "real"), [(original.SD_1, "sd-1 unet"), (original.SDXL, "sdxl unet")])
def test_every_layer_of_the_original_code_has_its_place_in_the_published_model(plan, real):
    ours = {
        name.removesuffix(".weight").replace(".", "_"): shape
        for name, shape in shapes_of(real).items()
        if name.endswith(".weight") and len(shape) > 1
    }
    theirs_ = {
        from_original(name.removesuffix(".weight").removeprefix("model.diffusion_model.").replace(".", "_"), 2): shape
        for name, shape in original.unet(plan).items()
        if name.endswith(".weight") and len(shape) > 1
    }
    assert theirs_ == ours


def test_a_film_wears_the_lora_of_its_pictures(model, factors, tmp_path):
    tiny_motion_adapter().save_pretrained(tmp_path / "motion_adapter")
    film = finished(AnimateDiff.load(model, tmp_path / "motion_adapter", FilmFacts(4, 16, 8, 16), lambda: None))
    lora = load_lora(kohya(tmp_path, factors), CPU.torch_device, lambda: None)
    worn_by_it = fit(lora, film.adaptable, {"denoiser": 1.0, "text": 1.0}, "Tiny")
    assert len(worn_by_it.layers) == len(factors)
    assert not worn_by_it.notices
    inside = set(map(id, film.unet.modules())) | set(map(id, film.text.encoder.modules()))
    assert all(id(layer) in inside for layer, *_ in worn_by_it.layers), "the film's own layers"


def test_matrices_come_to_where_a_layer_computes():
    """A layer whose weights wait elsewhere is on one device when a LoRA is put on, and computes on another."""
    change = Change(LowRank(torch.ones(RANK, 4), torch.ones(8, RANK)), 1.0).on(nn.Linear(4, 8))
    elsewhere = torch.empty(2, 4, device="meta")
    said = added(change, 1.0, None)(nn.Linear(4, 8), elsewhere, torch.empty(2, 8, device="meta"))
    assert said.device == elsewhere.device


def test_a_kernel_between_two_small_ones_is_a_convolution_of_three():
    """LoCon's "mid": the middle one has the layer's own size and stride."""
    generator = torch.Generator().manual_seed(0)
    down, mid, up = (torch.randn(shape, generator=generator) for shape in ((2, 4, 1, 1), (2, 2, 3, 3), (6, 2, 1, 1)))
    layer, x = nn.Conv2d(4, 6, 3, stride=2, padding=1), torch.randn(1, 4, 8, 8, generator=generator)
    whole = torch.einsum("ar,rshw,sb->abhw", up.flatten(1), mid, down.flatten(1))
    expected = nn.functional.conv2d(x, whole, stride=2, padding=1)
    change = Change(LowRank(down, up, mid), 1.0)
    assert change.shape == (6, 4 * 9)
    assert torch.allclose(change.on(layer).said(layer, x), expected, atol=1e-5)
    assert torch.allclose(change.whole().reshape(whole.shape), whole, atol=1e-6)
