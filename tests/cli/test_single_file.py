"""``generate --model FILE`` without a network: the picture is that of the same model as a folder."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from PIL import Image

from desktop_app.cli import main
from desktop_app.core import paths
from desktop_app.export.recipes import read_recipe
from tests.original_layout import twice


def test_a_file_is_named_where_a_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resources, models = twice(tmp_path)
    monkeypatch.setattr(paths, "resources_dir", lambda: resources)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    monkeypatch.setattr(socket.socket, "connect", None)
    file = models / "file.SAFETENSORS"
    options = ["--size", "64x64", "--steps", "1", "--seed", "3", "--quiet", "--data-dir", str(tmp_path / "data")]
    pixels = []
    for model in (file, models / "folder"):
        out = tmp_path / f"{model.stem}.png"
        assert main(["generate", "a red house", "-o", str(out), "--model", str(model), *options]) == 0
        recipe = read_recipe(out)
        assert recipe is not None
        assert recipe.request.model == str(model)
        with Image.open(out) as image:
            pixels.append(image.tobytes())
    assert pixels[0] == pixels[1]
    file.write_bytes(file.read_bytes()[:-10])
    assert main(["generate", "x", "--model", str(file), *options]) == 1
    assert "file.SAFETENSORS is cut off" in capsys.readouterr().err


def test_a_pickled_checkpoint_asks_for_trust_or_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file

    resources, models = twice(tmp_path)
    monkeypatch.setattr(paths, "resources_dir", lambda: resources)
    old = models / "old.ckpt"
    torch.save({"state_dict": load_file(models / "file.SAFETENSORS")}, old)
    options = ["--size", "64x64", "--steps", "1", "--seed", "3", "--quiet", "--data-dir", str(tmp_path / "data")]
    made = ["generate", "a red house", "-o", str(tmp_path / "a.png"), "--model", str(old), *options]
    assert main(made) == 1
    assert "--trust-pickle" in capsys.readouterr().err
    assert main([*made, "--trust-pickle"]) == 0
    assert (tmp_path / "a.png").is_file()
    assert main(["models", "convert", str(old)]) == 1
    assert "can hide programs" in capsys.readouterr().err
    assert main(["models", "convert", str(old), "-o", str(models / "new.safetensors"), "--trust-pickle"]) == 0
    assert capsys.readouterr().out == f"{models / 'new.safetensors'}\n"
    found, expected = load_file(models / "new.safetensors"), load_file(models / "file.SAFETENSORS")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert main(["models", "convert", str(models / "new.safetensors"), "--trust-pickle"]) == 1
    assert "is not a file of pickled weights" in capsys.readouterr().err
    assert main(["models", "convert", str(tmp_path / "none.ckpt")]) == 2
