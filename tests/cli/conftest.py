"""A data folder with a tiny model, and the command line called as a function."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_app.cli import main

Run = Callable[..., int]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds one tiny random model, called "tiny"."""
    from tests.tiny_models import tiny_model

    folder = tmp_path_factory.mktemp("models")
    tiny_model(folder / "tiny")
    return folder


@pytest.fixture
def data_dir(tmp_path: Path, tiny_folder: Path) -> Path:
    """A data folder that knows the tiny model."""
    data = tmp_path / "data"
    shutil.copytree(tiny_folder, data / "models")
    return data


@pytest.fixture
def generate(data_dir: Path) -> Run:
    """``generate`` on the tiny model with the data folder; gives the exit code."""

    def run(*arguments: str) -> int:
        return main(["generate", "--model", "tiny", "--data-dir", str(data_dir), *arguments])

    return run


@pytest.fixture
def python(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Command line that runs this checkout's program in a process of its own."""
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
    return [sys.executable, "main.py"]
