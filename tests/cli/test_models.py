"""``models inspect`` says what a file is, to people and to programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from desktop_app.checkpoints.identify import identify
from desktop_app.cli import main
from desktop_app.core.sizes import size_text
from tests.checkpoints import original_layouts as original
from tests.checkpoints.headers import write_header


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
    assert rows["On disk"] == size_text(checkpoint.stat().st_size)
    assert max(map(len, lines)) < 230


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
