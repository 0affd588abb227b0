"""``models inspect`` says what a file is, to people and to programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from desktop_app.checkpoints.identify import identify
from desktop_app.cli import main
from desktop_app.core.sizes import size_text
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import write_header
from tests.checkpoints.real_models import shapes_of


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Stable Diffusion XL without its autoencoder; a header and a hole."""
    whole = original.checkpoint(original.SDXL)
    shapes = {name: shape for name, shape in whole.items() if not name.startswith("first_stage_model.")}
    metadata = {"modelspec.title": "Mine", "modelspec.description": "words " * 100}
    return write_header(tmp_path / "mine.safetensors", shapes, metadata=metadata)


def test_a_person_reads_a_table(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "inspect", str(checkpoint)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line[:23].strip(): line[23:] for line in lines}
    assert rows["File"] == str(checkpoint)
    assert rows["Title"] == "Mine"
    assert rows["Kind"] == "Checkpoint"
    assert rows["Architecture"] == "Stable Diffusion XL"
    assert rows["Inside"] == "U-Net or transformer, text encoder, second text encoder"
    assert rows["Missing"] == "autoencoder (VAE)"
    assert rows["Use"].startswith("Cannot be used alone: it lacks autoencoder (VAE).")
    assert rows["On disk"] == size_text(checkpoint.stat().st_size)
    assert max(map(len, lines)) < 230


def told_of(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["models", "inspect", str(path)]) == 0
    return dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())


def test_how_each_is_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_header(tmp_path / "dream.safetensors", original.checkpoint(original.SD_1), "F8_E4M3")
    told = told_of(whole, capsys)
    assert told["Use"].strip() == "Safelight can use this model."
    assert told["Numbers"].strip() == "float8_e4m3fn"
    flux = write_header(tmp_path / "flux.safetensors", original.flux(), "BF16")
    assert "example black-forest-labs/FLUX.1-schnell" in told_of(flux, capsys)["Use"]
    vae = write_header(tmp_path / "vae" / "mse.safetensors", original.vae(4))
    told = told_of(vae, capsys)
    assert "--vae mse" in told["Use"]
    assert "Architecture" not in told, "it may be for one of several"
    turned = tmp_path / "models--Wan-AI--Wan-I2V" / "snapshots" / "abc"
    write_header(turned / "transformer" / "a.safetensors", shapes_of("wan-2 from a picture"))
    (turned / "model_index.json").write_text('{"_class_name": "WanImageToVideoPipeline"}')
    assert "The model Wan-AI/Wan-I2V is of a kind Safelight cannot run yet" in told_of(turned, capsys)["Use"]


def test_a_list_gives_every_file_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_header(tmp_path / "own" / "vae" / "mse.safetensors", original.vae(4))
    (tmp_path / "own" / "half.safetensors").write_bytes(b"1234567")
    assert main(["--data-dir", str(tmp_path / "data"), "models", "add", str(tmp_path / "own")]) == 0
    capsys.readouterr()
    assert main(["--data-dir", str(tmp_path / "data"), "models", "list"]) == 0
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines()}
    assert lines["mse"] == "Autoencoder (VAE) 167 MB"
    assert lines["half"] == "Unknown 7 bytes half.safetensors is only 7 bytes long."


def test_who_reads_only_the_beginning_of_a_list_hears_no_complaint(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for number in range(2000):
        (tmp_path / "models" / f"{number:0100}.safetensors").touch()
    command = [sys.executable, "-m", "desktop_app", "--data-dir", str(tmp_path), "models", "list"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as ran:
        assert ran.stdout
        assert ran.stderr
        ran.stdout.read(10)
        ran.stdout.close()
        assert ran.stderr.read() == b""


def test_a_program_reads_json(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "inspect", str(checkpoint), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    identity = identify(checkpoint)
    assert told["architecture"] == "sdxl"
    assert told["parameters"] == identity.parameters
    assert told["metadata"] == identity.metadata
    assert told["problem"] is None


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.safetensors"
    page.write_text("<html>Sign in</html>")
    assert main(["models", "inspect", str(page)]) == 1
    assert "page.safetensors is a web page, not a model" in capsys.readouterr().err
    assert main(["models", "inspect", str(page), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problem"]["id"] == "file.web-page"


def test_models_alone_says_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["models"])
    assert exit.value.code == 2
    assert "inspect" in capsys.readouterr().err
