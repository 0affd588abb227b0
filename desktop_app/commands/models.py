"""``models``: what model files are, without loading them, where they are looked for, and where they come from."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import KINDS, PARTS, Identity
from desktop_app.checkpoints.single_file import RUN
from desktop_app.commands import model_convert, model_downloads, model_folders
from desktop_app.core.errors import AppError
from desktop_app.core.forecast import weight_bytes
from desktop_app.core.sizes import size_text
from desktop_app.studio.model_verdict import verdict

_PREDICTIONS = {"epsilon": "noise (epsilon)", "v_prediction": "velocity (v-prediction)", "flow": "flow"}
_SHOWN_METADATA = 160
"""Longest value of the metadata that is shown whole; JSON holds all of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-commands and their arguments."""
    commands = parser.add_subparsers(title="commands", required=True)
    about = "say what a weights file or model folder is"
    inspect = commands.add_parser("inspect", help=about, description=f"{about.capitalize()}; nothing is loaded.")
    inspect.add_argument("file", type=Path, metavar="FILE", help="a weights file, or a folder in the diffusers layout")
    inspect.add_argument("--json", action="store_true", help="print everything as JSON")
    inspect.set_defaults(models=_inspect)
    model_folders.add_arguments(commands)
    model_downloads.add_arguments(commands)
    model_convert.add_arguments(commands)


def run(options: argparse.Namespace) -> int:
    """Run the chosen sub-command. Returns the exit code. Raises ``AppError``."""
    return options.models(options)


def _inspect(options: argparse.Namespace) -> int:
    identity = identify(options.file)
    if options.json:
        print(json.dumps(_as_json(identity), indent=2))
        return 1 if identity.problem else 0
    if identity.problem:
        raise AppError(identity.problem.id, **identity.problem.values)
    rows = _rows(identity)
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        print(f"{name:<{width}}{value}")
    return 0


def _as_json(identity: Identity) -> dict[str, Any]:
    fields = {field.name: getattr(identity, field.name) for field in dataclasses.fields(identity)}
    problem = model_folders.problem_as_json(identity.problem)
    return {**fields, "path": str(identity.path), "metadata": dict(identity.metadata), "problem": problem}


def _rows(identity: Identity) -> dict[str, str]:
    """What is known, by name, in words; what is not known has no row."""
    rows = {
        "File": str(identity.path),
        "Title": identity.title,
        "Kind": KINDS[identity.kind],
        "Architecture": model_folders.architecture_text(identity),
        "Variant": identity.variant,
        "Format": identity.format,
        "Use": _use(identity),
        "Numbers": " in ".join(filter(None, (identity.dtype, identity.quantisation.removeprefix("fp8")))),
        "Parameters": f"{identity.parameters:,}",
        "On disk": size_text(identity.size),
        "In memory": f"{size_text(weight_bytes(identity.parameters, 'float16'))} as float16",
        "Inside": _words(identity.parts),
        "Missing": _words(identity.missing),
        "Predicts": _PREDICTIONS.get(identity.prediction, ""),
    }
    rows |= {name: _short(value) for name, value in sorted(identity.metadata.items())}
    return {name: value for name, value in rows.items() if value}


def _use(identity: Identity) -> str:
    """Whether and how the program can use it, in sentences."""
    if identity.kind in RUN and identity.format == "safetensors":
        try:
            read_model_facts(identity.path)
            return str(verdict(identity, True, None, None)[1])
        except AppError as problem:
            if identity.path.is_dir():
                return str(problem)
    return str(verdict(identity, False, None, None)[1])


def _words(parts: tuple[str, ...]) -> str:
    return ", ".join(PARTS[part] for part in parts)


def _short(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= _SHOWN_METADATA else f"{line[:_SHOWN_METADATA]} … ({len(value):,} characters)"
