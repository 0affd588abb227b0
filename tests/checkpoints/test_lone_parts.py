"""Autoencoders and motion adapters are found however deep they lie, and offered to the models that they fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desktop_app.checkpoints.finding import files_in
from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.lone_parts import (
    find_parts,
    fitting_autoencoders,
    fitting_motion_adapters,
    fitting_tiny,
    is_tiny,
    other_half,
    part_files,
)
from desktop_app.core.catalog import FAMILIES
from desktop_app.core.paths import architectures_dir
from tests.checkpoints.headers import Shapes, behind, write_header
from tests.checkpoints.real_models import shapes_of

SD_1, XL = architectures_dir() / "sd-1", architectures_dir() / "sdxl"


def halves(model: str) -> dict[str, Shapes]:
    """A tiny autoencoder as its author names the layers; his decoder begins with one that has no weights."""
    found: dict[str, dict[str, tuple[int, ...]]] = {"encoder": {}, "decoder": {}}
    for name, shape in shapes_of(model).items():
        half, _, number, rest = name.split(".", 3)
        found[half][f"{int(number) + (half == 'decoder')}.{rest}"] = shape
    return dict(found)


def write_folder(folder: Path, kind: str, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": kind, **config}), encoding="utf-8")
    return folder


def flux_configs(folder: Path) -> Path:
    write_folder(folder / "vae", "AutoencoderKL", latent_channels=16, block_out_channels=[1, 2, 3, 4])
    return folder


def test_files_as_other_programs_keep_them_fit_the_models_whose_latents_they_know(tmp_path: Path) -> None:
    root = tmp_path / "ComfyUI" / "models"
    kept = {
        "vae/vae-ft-mse-840000-ema-pruned.safetensors": "kl vae",
        "vae/sdxl_vae.safetensors": "kl vae",
        "vae/sdxl/fp16fix.safetensors": "kl vae",
        "vae/ae.safetensors": "flux vae",
        "vae/sd3.5_vae.safetensors": "flux vae",
        "vae/wan_2.1_vae.safetensors": "wan vae",
        "vae/svd_vae.safetensors": "svd vae",
        "loras/elsewhere.safetensors": "kl vae",
    }
    for name, model in kept.items():
        write_header(root / name, shapes_of(model))
    for name, model in (("taesd", "tiny vae"), ("taesdxl", "tiny vae"), ("taef1", "tiny flux vae")):
        for half, shapes in halves(model).items():
            write_header(root / "vae_approx" / f"{name}_{half}.safetensors", shapes)
    (root / "vae" / "broken_vae.safetensors").write_bytes(b"<html>")
    parts = find_parts(files_in([tmp_path]))
    for configs, family, autoencoders, tiny in (
        (SD_1, "stable-diffusion", ("vae-ft-mse-840000-ema-pruned",), ("taesd",)),
        (XL, "stable-diffusion-xl", ("fp16fix", "sdxl_vae"), ("taesdxl",)),
        (flux_configs(tmp_path / "flux-1"), "flux", ("ae",), ("taef1",)),
    ):
        assert fitting_autoencoders(configs, FAMILIES[family], parts) == autoencoders
        assert fitting_tiny(configs, FAMILIES[family], parts) == tiny


def test_metadata_say_whose_latents_a_file_is_for(tmp_path: Path) -> None:
    told = {"modelspec.architecture": "stable-diffusion-xl-v1-base/vae"}
    write_header(tmp_path / "vae" / "mine.safetensors", shapes_of("kl vae"), metadata=told)
    parts = find_parts(files_in([tmp_path]))
    assert fitting_autoencoders(XL, FAMILIES["stable-diffusion-xl"], parts) == ("mine",)
    assert fitting_autoencoders(SD_1, FAMILIES["stable-diffusion"], parts) == ()


def test_folders_however_deep_and_in_the_cache_of_hugging_face(tmp_path: Path) -> None:
    own = {"latent_channels": 4, "block_out_channels": [1, 2, 3, 4]}
    write_folder(tmp_path / "invoke" / "sd-1" / "vae" / "mse", "AutoencoderKL", **own)
    snapshot = tmp_path / "hub" / "models--stabilityai--sdxl-vae" / "snapshots" / "abc"
    write_folder(snapshot, "AutoencoderKL", **own, scaling_factor=0.13025)
    cached = tmp_path / "hub" / "models--madebyollin--taesdxl" / "snapshots" / "def"
    write_folder(cached, "AutoencoderTiny", latent_channels=4)
    write_folder(tmp_path / "a" / "b" / "v3", "MotionAdapter", block_out_channels=[320, 640, 1280, 1280])
    write_folder(tmp_path / "a" / "b" / "xl", "MotionAdapter", block_out_channels=[320, 640, 1280])
    parts = find_parts(files_in([tmp_path]))
    assert fitting_autoencoders(SD_1, FAMILIES["stable-diffusion"], parts) == ("mse",)
    assert fitting_autoencoders(XL, FAMILIES["stable-diffusion-xl"], parts) == ("stabilityai/sdxl-vae",)
    assert fitting_tiny(XL, FAMILIES["stable-diffusion-xl"], parts) == ("madebyollin/taesdxl",)
    assert fitting_tiny(SD_1, FAMILIES["stable-diffusion"], parts) == ()
    assert fitting_motion_adapters(SD_1, parts) == ("v3",)


def test_adapters_for_films_in_files_are_told_by_their_widths(tmp_path: Path) -> None:
    kept = {
        "animatediff_models/v3_sd15.safetensors": "motion adapter",
        "extensions/mm_sdxl_v10.safetensors": "sdxl motion adapter",
        "Lora/some.safetensors": "motion adapter",
        "motion/unet.safetensors": "sd-1 unet",
    }
    for name, model in kept.items():
        write_header(tmp_path / name, shapes_of(model))
    parts = find_parts(files_in([tmp_path]))
    assert list(parts.motion_adapters) == ["v3_sd15", "mm_sdxl_v10"]
    assert fitting_motion_adapters(SD_1, parts) == ("v3_sd15",)
    config = parts.motion_adapters["v3_sd15"].config
    assert (config["motion_layers_per_block"], config["use_motion_mid_block"]) == (2, True)
    assert config["motion_max_seq_length"] == 32


def test_of_two_that_are_called_alike_the_later_has_its_folder_before_it(tmp_path: Path) -> None:
    for place in ("one/vae", "two/vae"):
        write_header(tmp_path / place / "mse.safetensors", shapes_of("kl vae"))
        write_header(tmp_path / place / "taesd_decoder.safetensors", halves("tiny vae")["decoder"])
    parts = find_parts(files_in([tmp_path / "one", tmp_path / "two"]))
    assert list(parts.autoencoders) == ["mse", "vae/mse"]
    assert list(parts.tiny_autoencoders) == ["taesd", "vae/taesd"]


def test_the_halves_of_a_tiny_autoencoder_belong_together(tmp_path: Path) -> None:
    made = {half: write_header(tmp_path / f"taesd_{half}.safetensors", shapes) for half, shapes in
            halves("tiny vae").items()}  # fmt: skip
    assert part_files(made["decoder"]) == [made["decoder"], made["encoder"]]
    made["encoder"].unlink()
    assert other_half(made["decoder"]) is None
    assert part_files(made["decoder"]) == [made["decoder"]]
    assert list(find_parts(files_in([tmp_path])).tiny_autoencoders) == ["taesd"]


@pytest.mark.parametrize("model", ["tiny vae", "tiny flux vae"])
def test_tiny_autoencoders_are_known_in_every_layout(model: str, tmp_path: Path) -> None:
    alone = halves(model)
    layouts = {
        "diffusers": shapes_of(model),
        "encoder": alone["encoder"],
        "decoder": alone["decoder"],
        "both": {**behind("encoder.", alone["encoder"]), **behind("decoder.", alone["decoder"])},
        "named": {**behind("taesd_encoder.", alone["encoder"]), **behind("taesd_decoder.", alone["decoder"])},
    }
    for name, shapes in layouts.items():
        path = write_header(tmp_path / f"{name}.safetensors", shapes)
        assert identify(path).kind == "tiny-vae", name
        assert is_tiny(path) == (name != "encoder"), "an encoder alone decodes nothing"


def test_films_have_tiny_autoencoders_of_another_form(tmp_path: Path) -> None:
    """TAEHV: its decoder works on several frames at once and is wider."""
    shapes = {"decoder.1.weight": (256, 16, 3, 3), "encoder.0.weight": (64, 12, 3, 3)}
    assert not is_tiny(write_header(tmp_path / "taew2_1.safetensors", shapes))
