"""``doctor``: what is here, what is missing, and the command that gets it. Works with half of it missing."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import desktop_app
from desktop_app.checkpoints.facts import check_model_files, read_model_facts
from desktop_app.checkpoints.finding import files_in, find_models
from desktop_app.checkpoints.lone_parts import find_parts
from desktop_app.commands.window import has_display
from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.core.paths import AppPaths, app_paths
from desktop_app.core.settings import load_settings

PACKAGES = ("torch", "diffusers", "transformers", "PySide6_Essentials", "PySide6_Addons", "pillow", "numpy")
_GIB = 1024**3
_QT_SECONDS = 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(options: argparse.Namespace) -> int:
    """Print the findings. Returns 0 when pictures can be made and the window can open, else 1."""
    report = examine(app_paths(options.data_dir))
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print("\n".join(_lines(report)))
    return 1 if report["problems"] else 0


def examine(paths: AppPaths) -> dict[str, Any]:
    """All findings as JSON values. ``problems`` are sentences on what keeps the program from working; ``advice`` are
    sentences on what would make it work better. Sizes are in GiB."""
    problems: list[str] = []
    advice: list[str] = []
    settings, damaged = load_settings(paths.settings)
    if damaged:
        advice.append(str(damaged))
    packages = _packages(problems)
    folders = _folders(paths, settings, problems)
    return {
        "safelight": desktop_app.__version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "packages": packages,
        "ffmpeg": _ffmpeg(advice),
        "display": has_display(),
        "device": _device(paths, settings["device"], packages, problems, advice),
        "memory": _memory(),
        "models": _models(paths, problems),
        "folders": folders,
        "problems": problems,
        "advice": advice,
    }


def _ffmpeg(advice: list[str]) -> str | None:
    from desktop_app.export.ffmpeg import find_ffmpeg  # works without Pillow

    try:
        return find_ffmpeg()
    except AppError as problem:
        advice.append(str(problem.message))
        return None


def _packages(problems: list[str]) -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
            problems.append(str(Message("dependency.missing", {"package": name})))
    if versions["PySide6_Essentials"] and (reason := _qt_problem()):
        problems.append(str(Message("qt.libraries", {"reason": reason})))
    return versions


def _qt_problem() -> str | None:
    """Why Qt's widgets cannot be loaded, tried in a process of its own; None when they can."""
    attempt = [sys.executable, "-c", "import PySide6.QtWidgets"]
    try:
        done = subprocess.run(attempt, capture_output=True, text=True, errors="replace", timeout=_QT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not load within {_QT_SECONDS} s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"it ended with code {done.returncode}"


def _device(
    paths: AppPaths, wish: str, packages: dict[str, str | None], problems: list[str], advice: list[str]
) -> dict[str, Any] | None:
    """What would compute; None when the engine's packages are missing or broken."""
    if not all(packages[name] for name in ("torch", "diffusers", "transformers")):
        return None
    try:
        from desktop_app.engine.device import find_device, free_memory
    except (ImportError, OSError, RuntimeError) as problem:
        problems.append(str(Message("engine.not-starting", {"reason": str(problem)})))
        return None
    device, notices = find_device(wish, paths.cache)
    advice.extend(str(notice) for notice in notices)
    return {
        "kind": device.torch_device.type,
        "name": device.name,
        "dtype": str(device.dtype).removeprefix("torch."),
        "threads": device.threads,
        "free": round(free_memory(device.torch_device) / _GIB, 1),
    }


def _memory() -> dict[str, float]:
    import psutil

    memory = psutil.virtual_memory()
    return {"total": round(memory.total / _GIB, 1), "available": round(memory.available / _GIB, 1)}


def _models(paths: AppPaths, problems: list[str]) -> list[dict[str, str]]:
    models = []
    folders = paths.model_folders()  # those of other programs may hold what they like
    parts = find_parts(files_in(folders))
    for name, folder in find_models(folders).items():
        model = {"name": name, "folder": str(folder), "state": "ready"}
        try:
            facts = read_model_facts(folder, parts)
            check_model_files(facts)
            if facts.pipeline:
                model["state"] = f"ready, through diffusers' {facts.pipeline}"
        except AppError as problem:
            model["state"] = str(problem)
            problems.append(str(problem))
        models.append(model)
    if not models:
        problems.append(str(Message("model.none")))
    return models


def _folders(paths: AppPaths, settings: dict[str, Any], problems: list[str]) -> list[dict[str, Any]]:
    chosen = settings["output_folder"]
    pictures = Path(chosen).expanduser() if chosen else paths.pictures
    folders = []
    for use, folder in (("pictures", pictures), ("data", paths.data), ("cache", paths.cache), ("models", paths.models)):
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        writable = existing.is_dir() and os.access(existing, os.W_OK)
        if not writable:
            reason = "it cannot be written to"
            problems.append(str(Message("data-dir.unusable", {"folder": str(folder), "reason": reason})))
        free = round(shutil.disk_usage(existing).free / _GIB, 1)
        folders.append({"use": use, "folder": str(folder), "writable": writable, "free": free})
    return folders


def _lines(report: dict[str, Any]) -> list[str]:
    """The findings for a person to read."""
    lines = [f"Safelight {report['safelight']}"]
    for title, tell in _SECTIONS.items():
        first, *others = tell(report) or ["none"]
        lines += [f"{title:<10}{first}", *(f"{'':<10}{other}" for other in others)]
    for title in ("problems", "advice"):
        if report[title]:
            lines += ["", f"{title.capitalize()}:", *(f"  {text}" for text in report[title])]
    if not report["problems"]:
        lines += ["", "Everything that is needed is here."]
    return lines


def _device_lines(report: dict[str, Any]) -> list[str]:
    device = report["device"]
    if device is None:
        return []
    text = "{kind}: {name}, {dtype}, {threads} threads, {free} GiB free".format_map(device)
    return [text]


_SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "Python": lambda report: [report["python"]],
    "System": lambda report: [report["system"]],
    "Packages": lambda report: [f"{name} {version or 'missing'}" for name, version in report["packages"].items()],
    "ffmpeg": lambda report: [report["ffmpeg"] or "none (not needed for pictures)"],
    "Display": lambda report: ["yes" if report["display"] else "none (the window needs one; generate does not)"],
    "Device": _device_lines,
    "Memory": lambda report: ["{total} GiB, {available} GiB available".format_map(report["memory"])],
    "Models": lambda report: [f"{model['name']}: {model['state']} ({model['folder']})" for model in report["models"]],
    "Folders": lambda report: [
        f"{place['use']}: {place['folder']} ({place['free']} GiB free{'' if place['writable'] else ', read-only'})"
        for place in report["folders"]
    ],
}
