"""What people keep beside a model file: a preview picture, notes, words that call it up, where it comes from.

The files are those of Automatic1111 (``<stem>.json``, ``<stem>.preview.png``), of Civitai's helpers
(``<stem>.civitai.info``, ``<stem>.metadata.json``) and plain texts; then what the model says of itself
(``modelspec.*``, ``ss_*``). Nothing of it is believed for more than a person's information.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.scan import WEIGHTS

PICTURES = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".png", ".jpg", ".jpeg", ".webp")
MOST_BYTES = 4 * 1024 * 1024
"""Of a sidecar; a longer one is no note."""
LONGEST = 4_000
"""Characters of a description that are shown."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What is to be told of one model; everything may be empty."""

    preview: Path | None = None
    description: str = ""
    trigger_words: tuple[str, ...] = ()
    base_model: str = ""
    licence: str = ""
    author: str = ""


def read_notes(identity: Identity, beside: Mapping[str, str] | None = None) -> Notes:
    """Notes on one model from the files beside it and from its own metadata. Never raises.

    ``beside`` is what :func:`names_in` says of its folder, for who asks about many files in the same one.
    """
    folder, stem = identity.path.parent, _stem(identity.path)
    names = names_in(folder) if beside is None else beside
    files = {
        ending: folder / names[name] for ending in (*PICTURES, *_READERS) if (name := (stem + ending).lower()) in names
    }
    told = [*(read(files[ending]) for ending, read in _READERS.items() if ending in files), _own(identity.metadata)]
    first = {name: next(filter(None, (one.get(name) for one in told)), "") for name in _FIELDS}
    words = next(filter(None, (one.get("trigger_words") for one in told)), ())
    return Notes(preview=_preview(identity.path, files), trigger_words=tuple(words), **first)


_FIELDS = ("description", "base_model", "licence", "author")


def names_in(folder: Path) -> dict[str, str]:
    """Files in ``folder`` as they are called, by their names in lower case; none if it cannot be read.

    Reading a folder once is far quicker than asking the system for each file that might be in it.
    """
    try:
        with os.scandir(folder) as found:
            return {entry.name.lower(): entry.name for entry in found if entry.is_file()}
    except OSError:
        return {}


def _stem(path: Path) -> str:
    """The name of ``path`` without the ending of a weights file; a folder's as it is."""
    return path.stem if path.suffix.lower() in WEIGHTS else path.name


def _preview(path: Path, files: Mapping[str, Path]) -> Path | None:
    if found := next((files[ending] for ending in PICTURES if ending in files), None):
        return found
    if path.suffix.lower() in WEIGHTS:
        return None
    inside = (path / f"preview{ending}" for ending in (".png", ".jpg", ".webp"))
    return next((file for file in inside if file.is_file()), None)


def _civitai(data: Mapping[str, Any]) -> dict[str, Any]:
    """A version as Civitai describes it."""
    model = data.get("model")
    name = model.get("name", "") if isinstance(model, Mapping) else ""
    texts = [_sentence(name), _plain(_sentence(data.get("description")))]
    return {
        "description": "\n\n".join(filter(None, texts))[:LONGEST],
        "trigger_words": _words(data.get("trainedWords")),
        "base_model": _sentence(data.get("baseModel")),
    }


def _manager(data: Mapping[str, Any]) -> dict[str, Any]:
    """What managers of LoRAs write: their own fields, and Civitai's inside."""
    inner = data.get("civitai")
    told = _civitai(inner) if isinstance(inner, Mapping) else {}
    notes = _sentence(data.get("notes")) or _plain(_sentence(data.get("modelDescription")))
    return told | {
        "description": notes[:LONGEST] or told.get("description", ""),
        "base_model": _sentence(data.get("base_model")) or told.get("base_model", ""),
    }


def _automatic(data: Mapping[str, Any]) -> dict[str, Any]:
    """Automatic1111's notes."""
    texts = [_sentence(data.get("description")), _sentence(data.get("notes"))]
    activation = _sentence(data.get("activation text"))
    return {
        "description": "\n\n".join(filter(None, texts))[:LONGEST],
        "trigger_words": (activation,) if activation else (),
        "base_model": _sentence(data.get("sd version")),
    }


def _own(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a safetensors file says of itself."""
    return {
        "description": _plain(metadata.get("modelspec.description", ""))[:LONGEST],
        "trigger_words": _words(metadata.get("modelspec.trigger_phrase")),
        "base_model": metadata.get("ss_sd_model_name", "") or metadata.get("ss_base_model_version", ""),
        "licence": metadata.get("modelspec.license", ""),
        "author": metadata.get("modelspec.author", ""),
    }


_READERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    ".civitai.info": lambda file: _civitai(_json(file)),
    ".metadata.json": lambda file: _manager(_json(file)),
    ".json": lambda file: _automatic(_json(file)),
    ".description.txt": lambda file: {"description": _text(file)},
    ".txt": lambda file: {"description": _text(file)},
}
"""Ending of a sidecar: what reads it. The first that tells something wins."""


def _words(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(word.strip(" ,") for word in values if isinstance(word, str) and word.strip(" ,"))


def _sentence(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, Mapping) else {}


def _text(path: Path) -> str:
    """The text of a file; "" when there is none or it is far too long."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace").strip()[:MOST_BYTES]
    except OSError:
        return ""


class _Text(HTMLParser):
    """The text of a description that may be a web page's."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("p", "br", "li", "h1", "h2", "h3", "div"):
            self.pieces.append("\n")


def _plain(text: str) -> str:
    """``text`` without tags."""
    if "<" not in text:
        return text
    parser = _Text()
    parser.feed(text)
    parser.close()
    lines = "".join(parser.pieces).split("\n")
    return "\n".join(filter(None, map(str.strip, lines)))
