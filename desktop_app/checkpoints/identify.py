"""What a file or folder is: the one question everybody asks before loading it. Reads headers only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from desktop_app.checkpoints.classify import classify
from desktop_app.checkpoints.contents import Contents
from desktop_app.checkpoints.folders import identify_folder, is_model_folder
from desktop_app.checkpoints.gguf_header import MAGIC, read_gguf
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.pickle_names import PICKLE, ZIP, read_pickled
from desktop_app.checkpoints.safetensors_header import is_safetensors, read_contents
from desktop_app.checkpoints.weights_file import FileProblem, open_weights, unreadable

_NAMED_PROGRAMS = 5


def identify(path: Path) -> Identity:
    """What ``path`` is: a weights file, or a folder in the layout of diffusers.

    Milliseconds; no weights are read. Never raises for what it holds: ``problem`` says what is wrong with it.
    """
    try:
        return _identify(path)
    except FileProblem as problem:
        return Identity(path, size=_size(path), problem=problem.message)
    except OSError as problem:
        return Identity(path, problem=unreadable(path, problem).message)


def _size(path: Path) -> int:
    """Bytes of a file that cannot be used; 0 of anything else."""
    return path.stat().st_size if path.is_file() else 0


def _identify(path: Path) -> Identity:
    if path.is_dir():
        if not is_model_folder(path):
            raise FileProblem(path, "folder.no-model")
        return identify_folder(path)
    contents = read_weights(path)
    identity = classify(path, contents, path.stat().st_size)
    if not contents.programs:
        return identity
    names = ", ".join(contents.programs[:_NAMED_PROGRAMS])
    return replace(identity, problem=FileProblem(path, "file.programs", names=names).message)


def read_weights(path: Path) -> Contents:
    """What a weights file holds, in whatever format it is written. Raises :class:`FileProblem`."""
    with open_weights(path) as (file, _):
        beginning = file.read(16)
    if beginning.startswith(MAGIC):
        return read_gguf(path)
    if beginning.startswith((ZIP, PICKLE)) and not is_safetensors(beginning):
        return read_pickled(path)
    return read_contents(path)
