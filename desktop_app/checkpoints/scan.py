"""Model files below a folder, in whatever layout another program keeps them. Only ever reads.

Known by where weights lie, not by what the folders are called, which serves Automatic1111 and Forge, ComfyUI, InvokeAI,
plain folders and the cache of Hugging Face (``models--owner--name/snapshots/<commit>/``) alike.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WEIGHTS = (".safetensors", ".sft", ".gguf", ".ckpt", ".pt", ".pth", ".bin")
"""Endings of files that may hold weights, in any case."""
PIPELINE, PART = "model_index.json", "config.json"
"""What tells a folder in the layout of diffusers from others: of a whole pipeline, and of one part."""
MOST = 20_000
"""Files and folders offered below one folder; whoever has more has chosen a whole disk by mistake."""
DEEPEST = 8
_CACHE_PREFIX = "models--"
_SKIPPED = {"blobs", "refs", ".git", "__pycache__", "venv", ".venv", "node_modules", "site-packages"}


def model_files(folder: Path, deepest: int = DEEPEST) -> Iterator[Path]:
    """Weight files and diffusers folders in and below ``folder``, in the order of their names; at most :data:`MOST`.

    Folders are entered ``deepest`` levels deep, a diffusers folder counts as one. Those that cannot be read are passed
    over; one that links lead to twice is walked once.
    """
    seen: set[tuple[int, int]] = set()
    for count, path in enumerate(_walk(folder, seen, deepest)):
        if count == MOST:
            return
        yield path


def display_name(path: Path) -> str:
    """What people call the model at ``path``: its file name without the ending, or "owner/name" from a cache."""
    for parent in (path, *path.parents) if _CACHE_PREFIX in str(path) else ():
        if parent.name.startswith(_CACHE_PREFIX):
            whole = parent.name.removeprefix(_CACHE_PREFIX).replace("--", "/", 1)
            inside = path.relative_to(parent).parts[2:]  # after snapshots/<commit>
            return "/".join((whole, *inside))
    return path.stem if path.suffix.lower() in WEIGHTS else path.name


def comfy_folders(file: Path) -> list[Path]:
    """The folders that an ``extra_model_paths.yaml`` of ComfyUI names and that exist. Raises ``ValueError``.

    Its sections have a ``base_path`` and, by kind, one path or several, a line each, relative to it.
    """
    import yaml

    try:
        sections = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as problem:
        raise ValueError(f"cannot be read as YAML ({type(problem).__name__})") from problem
    if not isinstance(sections, dict):
        raise ValueError("names no sections with folders")
    found: dict[Path, None] = {}
    for section in sections.values():
        if isinstance(section, dict):
            found.update(dict.fromkeys(_section_folders(section, file.parent)))
    return [folder for folder in found if folder.is_dir()]


def _section_folders(section: dict[str, Any], beside: Path) -> Iterator[Path]:
    base = beside / Path(str(section.get("base_path", ""))).expanduser()
    for kind, value in section.items():
        if kind not in ("base_path", "is_default") and isinstance(value, str):
            for line in filter(None, map(str.strip, value.splitlines())):
                yield base / Path(line).expanduser()


def _walk(folder: Path, seen: set[tuple[int, int]], depth: int) -> Iterator[Path]:
    try:
        stat = folder.stat()
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name.lower())
    except OSError:
        return
    if (stat.st_dev, stat.st_ino) in seen:
        return
    seen.add((stat.st_dev, stat.st_ino))
    names = {entry.name for entry in entries}
    if PIPELINE in names or (PART in names and _is_part(folder)):
        yield folder
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _SKIPPED:
            continue
        if _is_folder(entry):
            if depth:
                yield from _walk(Path(entry.path), seen, depth - 1)
        elif entry.name.lower().endswith(WEIGHTS) and _is_file(entry):
            yield Path(entry.path)


def _is_part(folder: Path) -> bool:
    """Whether the ``config.json`` in ``folder`` is that of a diffusers or transformers module."""
    try:
        config = json.loads((folder / PART).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and ("_class_name" in config or "architectures" in config)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a loop of links
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
