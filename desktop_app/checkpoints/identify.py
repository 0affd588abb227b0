"""What a file or folder is: the one question everybody asks before loading it. Reads headers only."""

from __future__ import annotations

from pathlib import Path

from desktop_app.checkpoints.classify import classify
from desktop_app.checkpoints.folders import identify_folder, is_model_folder
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.safetensors_header import read_contents


def identify(path: Path) -> Identity:
    """What ``path`` is: a weights file, or a folder in the layout of diffusers.

    Milliseconds; no weights are read. Never raises for what it holds: ``problem`` says what is wrong with it.
    """
    try:
        return _identify(path)
    except OSError as problem:
        return Identity(path, problem=f"cannot be read ({problem.strerror})")
    except ValueError as problem:
        return Identity(path, problem=str(problem))


def _identify(path: Path) -> Identity:
    if path.is_dir():
        if not is_model_folder(path):
            raise ValueError(
                "is a folder without model_index.json or config.json, so no model in the layout of diffusers"
            )
        return identify_folder(path)
    return classify(path, read_contents(path), path.stat().st_size)
