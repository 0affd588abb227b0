"""``models list`` and ``models add``: what is in the model folders, and another folder to look in."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.identity import ARCHITECTURES, KINDS, UNKNOWN, Identity
from desktop_app.checkpoints.index import Index
from desktop_app.checkpoints.scan import comfy_folders, display_name, model_files
from desktop_app.checkpoints.single_file import RUN
from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.messages import Message
from desktop_app.core.paths import app_paths
from desktop_app.core.settings import load_settings, save_settings
from desktop_app.core.sizes import size_text


def add_arguments(commands: Any) -> None:
    """The two sub-commands, for argparse's action that ``models`` has for them."""
    about = "list every model file in the model folders"
    listing = commands.add_parser("list", help=about, description=f"{about.capitalize()}.")
    listing.add_argument("--json", action="store_true", help="print everything as JSON")
    listing.set_defaults(models=_list)
    about = "look for models in another folder"
    adding = commands.add_parser("add", help=about, description=f"{about.capitalize()}; nothing there is changed.")
    adding.add_argument("folder", type=Path, help="a folder with models, or ComfyUI's extra_model_paths.yaml")
    adding.set_defaults(models=_add)


def _list(options: argparse.Namespace) -> int:
    """Print every model file in the folders, one a line. Returns 0."""
    paths = app_paths(options.data_dir)
    settings, _ = load_settings(paths.settings)
    folders = paths.model_folders(settings["model_folders"])
    files = dict.fromkeys(path for folder in folders for path in model_files(folder))
    identities = Index(paths.model_index).identities(files)
    if options.json:
        print(json.dumps([_as_json(identity) for identity in identities], indent=2))
        return 0
    rows = [_row(identity) for identity in identities]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _add(options: argparse.Namespace) -> int:
    """Remember another folder. Returns 0. Raises ``RequestError`` for what is none, ``AppError``."""
    paths = app_paths(options.data_dir)
    settings, _ = load_settings(paths.settings)
    known = settings["model_folders"]
    new = [str(folder) for folder in _folders(options.folder.expanduser().absolute()) if str(folder) not in known]
    paths.prepare()
    save_settings(paths.settings, settings | {"model_folders": known + new})
    for folder in new:
        count = sum(1 for _ in model_files(Path(folder)))
        print(f"{folder}: {'1 model' if count == 1 else f'{count} models'}")
    if not new:
        print("This folder is looked at already.")
    return 0


def _folders(path: Path) -> list[Path]:
    if path.is_dir():
        return [path]
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise RequestError("library.no-folder", path=str(path))
    try:
        return comfy_folders(path)
    except ValueError as problem:
        raise AppError("library.yaml", file=path.name, reason=str(problem)) from problem


def architecture_text(identity: Identity) -> str:
    """The architecture in words; "" where what it is for several, or nobody can tell."""
    known = identity.architecture != UNKNOWN or identity.kind in (UNKNOWN, *RUN)
    return ARCHITECTURES[identity.architecture] if known else ""


def problem_as_json(problem: Message | None) -> dict[str, str] | None:
    """What is wrong with a file, for programs: its id and the sentences for people."""
    return {"id": problem.id, "text": problem.text, "remedy": problem.remedy} if problem else None


def _row(identity: Identity) -> tuple[str, str, str, str]:
    about = identity.problem.text if identity.problem else architecture_text(identity)
    return display_name(identity.path), KINDS[identity.kind], size_text(identity.size), about


def _as_json(identity: Identity) -> dict[str, object]:
    return {
        "name": display_name(identity.path),
        "path": str(identity.path),
        "kind": identity.kind,
        "architecture": identity.architecture,
        "dtype": identity.dtype,
        "quantisation": identity.quantisation,
        "parameters": identity.parameters,
        "bytes": identity.size,
        "missing": list(identity.missing),
        "problem": problem_as_json(identity.problem),
    }
