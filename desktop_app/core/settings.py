"""Settings as data: one line each, read from and written to one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop_app.core.errors import AppError
from desktop_app.core.files import replace_file
from desktop_app.core.messages import Message


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``choices`` are (value, label) pairs; ``low``/``high`` bound numbers; lists hold texts."""

    key: str
    default: Any
    label: str
    help: str
    choices: tuple[tuple[str, str], ...] = ()
    low: float | None = None
    high: float | None = None

    def accepts(self, value: object) -> bool:
        """Whether ``value`` has the right type and range."""
        if type(value) is not type(self.default):
            return False
        if isinstance(value, list):
            return all(isinstance(item, str) and item for item in value)
        if self.choices:
            return value in [choice for choice, _ in self.choices]
        if isinstance(value, int | float) and self.low is not None and self.high is not None:
            return self.low <= value <= self.high
        return True


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "output_folder",
        "",
        "Output folder",
        "Where finished pictures and films are saved. Empty: your pictures folder.",
    ),
    Setting(
        "model_folders",
        [],
        "Model folders",
        "Where else models are looked for, also deeper inside. Nothing there is moved or changed.",
    ),
    Setting(
        "file_name",
        "{date}-{time}-{prompt}-{seed}",
        "File name",
        "Name of a saved picture or film. It may use {date}, {time}, {prompt}, {seed} and {model}.",
    ),
    Setting(
        "format",
        "png",
        "Picture format",
        "PNG keeps every pixel and the whole recipe. JPEG and WebP are smaller.",
        choices=(("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WebP")),
    ),
    Setting("quality", 92, "Picture quality", "For JPEG and WebP: higher is better and larger.", low=1, high=100),
    Setting(
        "film_format",
        "mp4",
        "Film format",
        "MP4 plays nearly everywhere, WebM in browsers; GIF and WebP are pictures that move; PNG keeps every pixel.",
        choices=(
            ("mp4", "MP4 (H.264)"),
            ("webm", "WebM (VP9)"),
            ("gif", "GIF"),
            ("webp", "Animated WebP"),
            ("png", "PNG, one per frame"),
        ),
    ),
    Setting(
        "film_quality", 80, "Film quality", "For MP4, WebM and WebP: higher is better and larger.", low=1, high=100
    ),
    Setting(
        "metadata",
        True,
        "Save the recipe in the file",
        "Prompt, seed and settings travel inside the file, so that it can be made again.",
    ),
    Setting(
        "theme",
        "system",
        "Theme",
        "Light, dark, or the same as your system.",
        choices=(("system", "Follow system"), ("light", "Light"), ("dark", "Dark")),
    ),
    Setting(
        "device",
        "auto",
        "Device",
        "What computes the pictures. Automatic takes the graphics card where there is one.",
        choices=(("auto", "Automatic"), ("cuda", "NVIDIA graphics card"), ("mps", "Apple graphics"), ("cpu", "CPU")),
    ),
    Setting(
        "offline",
        False,
        "Offline",
        "Forbids every connection. Without it, only what you download or look up makes one.",
    ),
    Setting(
        "precision",
        "auto",
        "Precision",
        "Half takes half the memory. Eight bits take half of that for the model, and show a little in the picture. "
        "Automatic takes what is quickest, and less where memory is short.",
        choices=(
            ("auto", "Automatic"),
            ("full", "Full (32 bits)"),
            ("half", "Half (16 bits)"),
            ("eight", "Weights of 8 bits"),
        ),
    ),
    Setting(
        "offload",
        "auto",
        "Models on the graphics card",
        "Whole is quickest. What waits in RAM until its turn takes less of the card's memory, and more time.",
        choices=(
            ("auto", "Automatic"),
            ("whole", "Whole"),
            ("model", "One part at a time"),
            ("group", "One block at a time"),
        ),
    ),
    Setting(
        "decode",
        "auto",
        "Decoding",
        "In tiles takes much less memory for large pictures; seams may differ a little.",
        choices=(("auto", "Automatic"), ("whole", "At once"), ("tiles", "In tiles")),
    ),
    Setting("preview", True, "Live preview", "Show the picture while it comes out of the noise."),
    Setting(
        "sharp_preview",
        2,
        "Sharp preview every (s)",
        "With a tiny autoencoder (TAESD) in your models folder, the preview is sharp, this often. 0 leaves it soft.",
        low=0,
        high=60,
    ),
    Setting(
        "idle_minutes",
        10,
        "Free memory after (min)",
        "A model that has not been used for this long leaves memory. 0 keeps it.",
        low=0,
        high=1440,
    ),
)
BY_KEY = {setting.key: setting for setting in SETTINGS}


def default_settings() -> dict[str, Any]:
    return {setting.key: copy(setting.default) for setting in SETTINGS}


def load_settings(path: Path) -> tuple[dict[str, Any], Message | None]:
    """Settings from ``path`` laid over the defaults; values out of range fall back one by one.

    A file that cannot be read at all is kept aside and reported in the second value, never raised.
    """
    values = default_settings()
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(stored, Mapping):
            raise ValueError("not an object")
    except FileNotFoundError:
        return values, None
    except (OSError, ValueError, RecursionError):
        kept = path.with_suffix(".damaged.json")
        try:
            path.replace(kept)
        except OSError:
            kept = path
        return values, Message("settings.damaged", {"file": str(kept)})
    values.update({key: value for key, value in stored.items() if key in BY_KEY and BY_KEY[key].accepts(value)})
    return values, None


def save_settings(path: Path, values: Mapping[str, Any]) -> None:
    """Write ``values`` to ``path`` in one step. Raises ``AppError``."""
    try:
        replace_file(path, json.dumps(dict(values), indent=2, ensure_ascii=False).encode())
    except OSError as problem:
        raise AppError("save.folder", folder=str(path.parent), reason=problem.strerror or str(problem)) from problem
