"""How large a model is comes from headers and configs alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.footprint import read_footprint
from desktop_app.core.catalog import Footprint, PartSize
from desktop_app.core.paths import bundled_models_dir
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import write_header

PARTS = ("text_encoder", "unet", "vae")
TENSORS = {
    "conv_in.weight": (2, 3),
    "down_blocks.0.resnets.0.conv1.weight": (4, 5),
    "down_blocks.0.resnets.1.conv1.weight": (6,),
    "down_blocks.1.resnets.0.conv1.weight": (10, 2),
}


def write_part(folder: Path, *files: str, **config: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for number, file in enumerate(files):
        own = f"blocks.{number}" if "-" in file else "blocks."
        write_header(folder / file, {name.replace("blocks.", own): shape for name, shape in TENSORS.items()}, "F32")


def write_model(folder: Path) -> None:
    write_part(folder / "text_encoder", "model.safetensors")
    write_part(folder / "unet", "a.safetensors", block_out_channels=[320, 640])
    vae = {"block_out_channels": [128, 256, 512, 512], "sample_size": 512, "_class_name": "AutoencoderKL"}
    write_part(folder / "vae", "m.safetensors", "m.fp16.safetensors", **vae)
    write_part(folder / "safety_checker", "model.safetensors")


def test_parts_count_once_and_by_block(tmp_path: Path) -> None:
    write_model(tmp_path)
    parts = tuple(PartSize(name, numbers=52, group=6 + 26, largest=20) for name in PARTS)
    expected = Footprint(parts, "unet", width=320, patch=1, vae_width=128, shrink=8, tile=512)
    assert read_footprint(tmp_path, tmp_path, PARTS) == expected


def test_shards_add_up_and_a_lone_variant_counts(tmp_path: Path) -> None:
    write_model(tmp_path)
    write_part(tmp_path / "unet", "a-1.safetensors", "a-2.safetensors", block_out_channels=[320])
    (tmp_path / "unet" / "a.safetensors").unlink()
    (tmp_path / "vae" / "m.safetensors").unlink()
    known = read_footprint(tmp_path, tmp_path, PARTS)
    assert known is not None
    assert [part.numbers for part in known.parts] == [52, 6 + 46 + 46, 52]


def test_a_transformer_has_heads_and_another_decoder_no_tiles(tmp_path: Path) -> None:
    write_model(tmp_path)
    write_part(tmp_path / "transformer", "a.safetensors", num_attention_heads=24, attention_head_dim=128)
    write_part(tmp_path / "vae", "m.safetensors", block_out_channels=[64, 64], _class_name="Other", sample_size=256)
    known = read_footprint(tmp_path, tmp_path, ("text_encoder", "transformer", "vae"))
    assert known is not None
    assert (known.denoiser, known.width, known.patch, known.tile, known.shrink) == ("transformer", 3072, 2, 0, 2)


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    assert read_footprint(tmp_path, tmp_path, PARTS) is None
    write_model(tmp_path)
    (tmp_path / "unet" / "a.safetensors").write_bytes(b"<html>")
    assert read_footprint(tmp_path, tmp_path, PARTS) is None
    write_model(tmp_path)
    (tmp_path / "vae" / "config.json").write_text("[]", encoding="utf-8")
    assert read_footprint(tmp_path, tmp_path, PARTS) is None
    write_model(tmp_path)
    (tmp_path / "vae" / "m.safetensors").unlink()
    (tmp_path / "vae" / "m.fp16.safetensors").unlink()
    assert read_footprint(tmp_path, tmp_path, PARTS) is None


def test_the_bundled_model_is_small() -> None:
    facts = read_model_facts(bundled_models_dir() / "postcard")
    assert facts.footprint is not None
    assert 1_000_000 < sum(part.numbers for part in facts.footprint.parts) < 100_000_000


def test_a_single_file_has_the_parts_of_its_folder(tmp_path: Path) -> None:
    """The numbers are those of the published U-Net, text encoder and autoencoder of Stable Diffusion 1."""
    layout = original.checkpoint(original.SD_1)
    file = write_header(tmp_path / "model.safetensors", layout)
    known = read_model_facts(file).footprint
    assert known is not None
    assert {part.name: part.numbers for part in known.parts} == {
        "text_encoder": 123_060_480,
        "unet": 859_520_964,
        "vae": 83_653_863,
    }
    assert (known.denoiser, known.width, known.vae_width, known.tile) == ("unet", 320, 128, 512)
    unet = known.parts[1]
    assert unet.largest == 1280 * 2560 * 9
    assert unet.group < unet.numbers / 2


@pytest.mark.parametrize(
    ("transformer", "vae", "told"),
    [
        (  # Wan 2.1
            {"num_attention_heads": 12, "attention_head_dim": 128, "patch_size": [1, 2, 2], "in_channels": 16},
            {"base_dim": 96, "z_dim": 16, "scale_factor_spatial": 8},
            (1536, 2, 96, 8),
        ),
        (  # LTX-Video
            {"num_attention_heads": 32, "attention_head_dim": 64, "patch_size": 1, "in_channels": 128},
            {"latent_channels": 128, "patch_size": 4, "spatio_temporal_scaling": [True, True, True, False],
             "block_out_channels": [128, 256, 512, 512], "decoder_block_out_channels": [128, 256, 512, 512]},
            (2048, 1, 128, 32),
        ),
        (  # Z-Image
            {"dim": 3840, "all_patch_size": [2], "in_channels": 16},
            {"latent_channels": 16, "block_out_channels": [128, 256, 512, 512]},
            (3840, 2, 128, 8),
        ),
    ],
)  # fmt: skip
def test_configs_of_films_and_pictures_say_the_same_in_ways_of_their_own(
    transformer: dict[str, Any], vae: dict[str, Any], told: tuple[int, ...], tmp_path: Path
) -> None:
    write_part(tmp_path / "transformer", "a.safetensors", **transformer)
    write_part(tmp_path / "vae", "a.safetensors", **vae)
    found = read_footprint(tmp_path, tmp_path, ("transformer", "vae"))
    assert found is not None
    assert (found.width, found.patch, found.vae_width, found.shrink) == told
