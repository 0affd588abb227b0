"""What a file or folder is: the one question everybody asks before loading it. Reads headers only."""

from __future__ import annotations

from pathlib import Path

from desktop_app.checkpoints.classify import classify
from desktop_app.checkpoints.folders import identify_folder, is_model_folder
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.safetensors_header import read_contents
from desktop_app.checkpoints.weights_file import FileProblem, unreadable


def identify(path: Path) -> Identity:
    """What ``path`` is: a weights file, or a folder in the layout of diffusers.

    Milliseconds; no weights are read. Never raises for what it holds: ``problem`` says what is wrong with it.
    """
    try:
        return _identify(path)
    except FileProblem as problem:
        return Identity(path, problem=problem.message)
    except OSError as problem:
        return Identity(path, problem=unreadable(path, problem).message)


def _identify(path: Path) -> Identity:
    if path.is_dir():
        if not is_model_folder(path):
            raise FileProblem(path, "folder.no-model")
        return identify_folder(path)
    return classify(path, read_contents(path), path.stat().st_size)
