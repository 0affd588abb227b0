"""Model files are found in every layout that people have, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desktop_app.checkpoints import scan
from desktop_app.checkpoints.scan import comfy_folders, display_name, model_files


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in model_files(root)]


@pytest.mark.parametrize(
    "name",
    [
        "models/Stable-diffusion/dream.safetensors",
        "models/Lora/deep/er/style.SAFETENSORS",
        "models/checkpoints/old.ckpt",
        "models/unet/big.gguf",
        "models/5a1c9f/model.sft",
        "embeddings/bad.pt",
    ],
)
def test_weight_files_are_found_wherever_they_lie(name: str, tmp_path: Path) -> None:
    touch(tmp_path, name, "models/put models here.txt", "readme.md", ".hidden/secret.safetensors")
    assert found(tmp_path) == [name]


def test_a_diffusers_folder_counts_as_one(tmp_path: Path) -> None:
    touch(tmp_path, "whole/model_index.json", "whole/unet/diffusion_pytorch_model.safetensors")
    touch(tmp_path, "vae/diffusion_pytorch_model.safetensors", "other/x.safetensors")
    (tmp_path / "vae" / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    (tmp_path / "other" / "config.json").write_text("[]")
    assert found(tmp_path) == ["other/x.safetensors", "vae", "whole"]


def test_a_cache_of_hugging_face_lists_each_snapshot_by_its_repository(tmp_path: Path) -> None:
    snapshot = "models--someone--a-model/snapshots/0123abc"
    touch(tmp_path, f"{snapshot}/model_index.json", "models--someone--a-model/blobs/abcdef.safetensors")
    touch(tmp_path, "models--someone--loose/snapshots/1/deep/style.safetensors")
    whole, loose = model_files(tmp_path)
    assert whole == tmp_path / snapshot
    assert (display_name(whole), display_name(loose)) == ("someone/a-model", "someone/loose/deep/style.safetensors")


def test_names_of_files_and_folders(tmp_path: Path) -> None:
    assert display_name(tmp_path / "v1.5-pruned.safetensors") == "v1.5-pruned"
    assert display_name(tmp_path / "version-1.5") == "version-1.5"


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.safetensors")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "itself").symlink_to(tmp_path / "a" / "itself")
    assert found(tmp_path) == ["a/x.safetensors"]


def test_no_more_than_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *(f"{number}.safetensors" for number in range(9)))
    monkeypatch.setattr(scan, "MOST", 5)
    assert len(found(tmp_path)) == 5
    deep = "/".join("d" * (scan.DEEPEST + 1))
    touch(tmp_path / "other", f"{deep}/x.safetensors")
    assert found(tmp_path / "other") == []


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert found(tmp_path / "none") == []


def test_comfys_file_names_its_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a1111/models/Stable-diffusion/x", "a1111/models/Lora/x", "a1111/models/LyCORIS/x", "own/x")
    file = tmp_path / "extra_model_paths.yaml"
    file.write_text(
        f"a111:\n  base_path: {tmp_path}/a1111\n  checkpoints: models/Stable-diffusion\n"
        "  loras: |\n    models/Lora\n    models/LyCORIS\n  vae: models/none\n"
        "mine:\n  is_default: true\n  checkpoints: own\nempty:\n"
    )
    names = [folder.relative_to(tmp_path).as_posix() for folder in comfy_folders(file)]
    assert names == ["a1111/models/Stable-diffusion", "a1111/models/Lora", "a1111/models/LyCORIS", "own"]


@pytest.mark.parametrize("content", [b"[", b"\xff\xfe\x00", b"just words", b"- a\n- b", b"a: !!python/object:os.x {}"])
def test_a_file_that_is_not_comfys_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "extra_model_paths.yaml"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read as YAML|names no sections"):
        comfy_folders(file)
