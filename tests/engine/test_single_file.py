"""Single files in the original layout: tensor for tensor what a diffusers folder holds; diffusers' converters agree."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from desktop_app.checkpoints.finding import files_in, resolve_model
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.original_names import Places
from desktop_app.checkpoints.single_file import PARTS
from desktop_app.core import paths
from desktop_app.core.errors import AppError
from desktop_app.engine.engine import Engine
from desktop_app.engine.families.stable_diffusion import StableDiffusion
from desktop_app.engine.families.stable_diffusion_xl import StableDiffusionXL
from desktop_app.engine.families.stable_diffusion_xl_refiner import StableDiffusionXLRefiner
from desktop_app.engine.loading import piece_of
from desktop_app.engine.parts.clip_readers import ClipReaders
from desktop_app.engine.parts.clip_text import ClipText
from desktop_app.engine.parts.latent_diffusion import load_parts
from desktop_app.engine.source import Source
from tests.engine.conftest import CPU, pictures, request_for, run
from tests.original_layout import original_checkpoint, twice
from tests.tiny_models import loaded, tiny_pipeline, tiny_tokenizer, tiny_xl_pipeline, tiny_xl_refiner_pipeline

OPEN_CLIP = {
    "sd-2": {"text_encoder": "cond_stage_model.model."},
    "sdxl": {"text_encoder_2": "conditioner.embedders.1.model."},
    "sdxl-refiner": {"text_encoder_2": "conditioner.embedders.0.model."},
}
"""Where diffusers is told that it finds text encoders of OpenCLIP."""
TEXT = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}
NUMBERS = {
    "sd-1": (859_520_964, 123_060_480),
    "sd-2": (865_910_724, 340_387_840),
    "sdxl": (2_567_463_684, 817_720_320),
    "sdxl-refiner": (2_259_526_660, 694_659_840),
}
"""Parameters of U-Net and text encoders, as published."""


def config_of(folder: Path, part: str) -> dict[str, Any]:
    return json.loads((folder / part / "config.json").read_text())


def empty_parts(architecture: str) -> dict[str, nn.Module]:
    """Real-size modules without memory, built as our own configuration says."""
    folder = paths.architectures_dir() / architecture
    with init_empty_weights():
        parts: dict[str, nn.Module] = {
            "unet": UNet2DConditionModel.from_config(config_of(folder, "unet")),
            "vae": AutoencoderKL.from_config(config_of(folder, "vae")),
        }
        for name, cls in TEXT.items():
            if (folder / name).is_dir():
                parts[name] = cls(CLIPTextConfig.from_dict(config_of(folder, name)))
    return parts


def converted(checkpoint: Mapping[str, Tensor], architecture: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """What diffusers itself makes of the file, under its names of transformers 4."""
    checkpoint = dict(checkpoint)
    texts: dict[str, Any] = {}
    if architecture in ("sd-1", "sdxl"):
        texts["text_encoder"] = convert_ldm_clip_checkpoint(checkpoint)
    for name, prefix in OPEN_CLIP.get(architecture, {}).items():
        texts[name] = convert_open_clip_checkpoint(parts[name], checkpoint, prefix)
    return {
        "unet": convert_ldm_unet_checkpoint(checkpoint, {**parts["unet"].config}),
        "vae": convert_ldm_vae_checkpoint(checkpoint, parts["vae"].config),
        **texts,
    }


def mapped(checkpoint: Mapping[str, Tensor], places: Places, module: nn.Module) -> dict[str, Tensor]:
    """What our map puts into ``module``, under the module's names."""
    shapes = {name.removeprefix("text_model."): value.shape for name, value in module.state_dict().items()}
    found: dict[str, Tensor] = {}
    for name, value in checkpoint.items():
        for place in places(name):
            inner = place.name.removeprefix("text_model.")
            if inner in shapes:
                assert inner not in found
                piece = piece_of(value, place, shapes[inner])
                assert piece is not None, name
                found[inner] = piece
    return found


@pytest.mark.parametrize("architecture", list(PARTS))
def test_every_name_of_a_real_model_is_mapped_as_diffusers_maps_it(architecture):
    parts = empty_parts(architecture)
    checkpoint = original_checkpoint(parts, architecture)
    theirs = converted(checkpoint, architecture, parts)
    maps = {name: PARTS[architecture][name](module.config) for name, module in parts.items()}
    counts = {}
    for name, module in parts.items():
        found = mapped(checkpoint, maps[name], module)
        wanted = {key.removeprefix("text_model.") for key in module.state_dict()}
        assert found.keys() == wanted
        assert wanted <= {key.removeprefix("text_model.") for key in theirs[name]}
        counts[name] = sum(value.numel() for value in found.values())
    assert (counts["unet"], counts["vae"]) == (NUMBERS[architecture][0], 83_653_863)
    assert sum(counts.get(name, 0) for name in TEXT) == NUMBERS[architecture][1]
    assert {name.split(".")[0] for name in checkpoint if not any(places(name) for places in maps.values())} == {
        "betas",
        "model_ema",
    }


TINY: dict[str, Callable[[], Any]] = {
    "sd-1": tiny_pipeline,
    "sd-2": tiny_pipeline,
    "sdxl": tiny_xl_pipeline,
    "sdxl-refiner": tiny_xl_refiner_pipeline,
}
READ_AS: dict[str, tuple[Any, Any]] = {
    "sdxl": (StableDiffusionXL, ClipReaders.pair),
    "sdxl-refiner": (StableDiffusionXLRefiner, ClipReaders.larger),
}


class Tiny:
    """A tiny model twice: as a diffusers folder without weights, and as a single file in the original layout."""

    def __init__(self, folder: Path, architecture: str) -> None:
        self.pipeline: Any = TINY[architecture]()
        self.folder, self.architecture = folder / "configs", architecture
        self.pipeline.save_pretrained(self.folder)
        for weights in self.folder.glob("*/*.safetensors"):
            weights.unlink()
        tiny_tokenizer().save_pretrained(self.folder / "tokenizer")
        names = [name for name in ("unet", "vae", *TEXT) if getattr(self.pipeline, name, None) is not None]
        self.parts: dict[str, Any] = {name: getattr(self.pipeline, name) for name in names}
        self.checkpoint = original_checkpoint(self.parts, architecture)
        self.file = folder / "tiny.safetensors"
        save_file(self.checkpoint, self.file)

    def load(self, monkeypatch: pytest.MonkeyPatch, **facts: Any) -> Any:
        """Through the program, the tokenizer being the tiny one."""
        identity = Identity(self.file, architecture=self.architecture, **{"kind": "checkpoint", **facts})
        monkeypatch.setattr("desktop_app.engine.source.architectures_dir", lambda: self.folder)
        cls, text = READ_AS.get(self.architecture, (StableDiffusion, ClipText.empty))
        source = Source(self.folder, identity)
        return loaded(load_parts(cls, text, UNet2DConditionModel.from_config, source, CPU, lambda: None))


def modules_of(model: Any) -> dict[str, nn.Module]:
    texts = {part.name: module for part, module in zip(model.text.parts, model.text.modules, strict=True)}
    return {**texts, "unet": model.unet, "vae": model.autoencoder.module}


@pytest.mark.parametrize("architecture", list(PARTS))
def test_tensors_equal_those_of_the_folder_and_those_of_diffusers(architecture, tmp_path, monkeypatch):
    tiny = Tiny(tmp_path, architecture)
    theirs = converted(tiny.checkpoint, architecture, tiny.parts)
    for name, module in modules_of(tiny.load(monkeypatch)).items():
        expected = tiny.parts[name].state_dict()
        ours = module.state_dict()
        assert ours.keys() == expected.keys()
        for key, value in ours.items():
            assert torch.equal(value, expected[key])
            assert value.is_contiguous()
            if name in TEXT and key not in theirs[name]:
                key = f"text_model.{key}"  # transformers 4 and diffusers have the prefix
            assert torch.equal(value, theirs[name][key]), key


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", None], ids=["bare", "prefixed", "diffusers"])
def test_a_u_net_alone_makes_a_model_with_what_lies_beside_it(prefix, tmp_path, monkeypatch):
    tiny = Tiny(tmp_path, "sd-1")
    for part in ("vae", "text_encoder"):
        save_file(tiny.parts[part].state_dict(), tmp_path / f"tiny.{part}.safetensors")
    start = "model.diffusion_model."
    original = {name: value for name, value in tiny.checkpoint.items() if name.startswith(start)}
    own = tiny.parts["unet"].state_dict()
    save_file(
        own if prefix is None else {f"{prefix}{name[len(start) :]}": original[name] for name in original}, tiny.file
    )
    model = tiny.load(monkeypatch, kind="denoiser", missing=("vae", "text-encoder"))
    for name, module in modules_of(model).items():
        expected = tiny.parts[name].state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in module.state_dict().items())


def test_an_autoencoder_beside_the_file_is_taken(tmp_path, monkeypatch):
    tiny = Tiny(tmp_path, "sd-1")
    own = tiny.pipeline.vae.state_dict()
    other = tiny_pipeline(seed=5).vae
    beside = tmp_path / "tiny.vae.safetensors"
    save_file(other.state_dict(), beside)
    model = tiny.load(monkeypatch)
    key = "decoder.conv_out.weight"
    assert torch.equal(model.autoencoder.module.state_dict()[key], other.state_dict()[key])
    assert not torch.equal(own[key], other.state_dict()[key])
    original = {name: value for name, value in tiny.checkpoint.items() if name.startswith("first_stage_model.")}
    for prefix in ("first_stage_model.", ""):
        save_file({prefix + name.removeprefix("first_stage_model."): value for name, value in original.items()}, beside)
        assert torch.equal(tiny.load(monkeypatch).autoencoder.module.state_dict()[key], own[key])


@pytest.mark.parametrize(
    ("architecture", "missing", "told"),
    [
        ("sd-1", "vae", r"holds no autoencoder \(VAE\)\. Put one beside it, called tiny\.vae\.safetensors"),
        ("sdxl", "text-encoder-2", r"holds no second text encoder\. .* called tiny\.text_encoder_2\.safetensors"),
    ],
)
def test_a_missing_part_is_named(architecture, missing, told, tmp_path, monkeypatch):
    tiny = Tiny(tmp_path, architecture)
    with pytest.raises(AppError, match=told):
        tiny.load(monkeypatch, missing=(missing,))


def test_damage_is_named_by_the_file(tmp_path, monkeypatch):
    tiny = Tiny(tmp_path, "sd-2")
    name = "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight"
    save_file({**tiny.checkpoint, name: torch.zeros(5, 5)}, tiny.file)
    with pytest.raises(AppError, match=r"tiny.safetensors has a tensor of the wrong shape \(cond_stage_model"):
        tiny.load(monkeypatch)
    save_file({key: value for key, value in tiny.checkpoint.items() if key != name}, tiny.file)
    with pytest.raises(AppError, match=r"tiny.safetensors lacks 3 tensors, such as encoder.layers.0.self_attn"):
        tiny.load(monkeypatch)


def test_the_prediction_a_file_speaks_of_counts(tmp_path, monkeypatch):
    tiny = Tiny(tmp_path, "sd-2")
    assert tiny.load(monkeypatch).scheduler_config["prediction_type"] == "epsilon"
    assert tiny.load(monkeypatch, prediction="v_prediction").scheduler_config["prediction_type"] == "v_prediction"


@pytest.mark.parametrize(
    ("architecture", "tokenizer", "pad"),
    [
        ("sd-1", "tokenizer", 49407),
        ("sd-2", "tokenizer", 0),
        ("sdxl", "tokenizer", 49407),
        ("sdxl", "tokenizer_2", 0),
        ("sdxl-refiner", "tokenizer_2", 0),
    ],
)
def test_the_tokenizer_that_serves_all(architecture, tokenizer, pad):
    source = Source(paths.architectures_dir() / architecture, Identity(Path("x.safetensors")))
    found = source.tokenizer(tokenizer, 49408)
    ids = found("a photo of a cat", padding="max_length").input_ids
    assert ids == [49406, 320, 1125, 539, 320, 2368, 49407, *[pad] * 70]


def test_a_file_makes_the_picture_of_its_folder_without_a_network(tmp_path, monkeypatch):
    resources, models = twice(tmp_path)
    monkeypatch.setattr(paths, "resources_dir", lambda: resources)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    monkeypatch.setattr(socket.socket, "connect", None)
    engine = Engine(models=[models], cache=tmp_path / "cache", device="cpu")
    folder, file = (pictures(run(engine, request_for(model=name, steps=1)))[0] for name in ("folder", "file"))
    assert folder.frames == file.frames
    assert resolve_model("file", files_in([models])) == resolve_model(str(models / "file.SAFETENSORS"), [])
    (models / "file.SAFETENSORS").write_bytes((models / "file.SAFETENSORS").read_bytes()[:-10])
    with pytest.raises(AppError, match=r"file.SAFETENSORS is"):
        run(engine, request_for(model="file"))
    engine.release()
