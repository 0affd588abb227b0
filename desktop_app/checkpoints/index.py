"""What is known of model files, kept between starts: a file that has not changed is not looked into again.

The files are the truth; an index that is missing, damaged or of another version is made anew.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.scan import PART, PIPELINE
from desktop_app.core.files import replace_file
from desktop_app.core.messages import ENGLISH, Message

VERSION = 7
"""Another one whenever :func:`identify` would say something else of the same file."""
_TUPLES = ("parts", "missing")
_NAMES = {field.name for field in fields(Identity)} - {"path"}


class Index:
    """Identities by path, each good as long as size and time of change stay the same."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = _read(file)

    def identities(self, paths: Iterable[Path], stopped: Callable[[], bool] = lambda: False) -> list[Identity]:
        """What ``paths`` are, in their order; those that are gone meanwhile are left out.

        New findings are kept on disk where that is possible. ``stopped`` is asked between files.
        """
        found: list[Identity] = []
        known: dict[str, Any] = {}
        for path in paths:
            if stopped():
                return found
            if (stamp := _stamp(path)) is None:
                continue
            entry = self._known.get(str(path))
            identity = _identity(path, entry) if entry and entry.get("stamp") == stamp else None
            if identity is None:
                identity = identify(path)
                entry = {"stamp": stamp, "identity": _plain(identity)}
            known[str(path)] = entry
            found.append(identity)
        if known != self._known:
            self._known = known
            self._write()
        return found

    def _write(self) -> None:
        text = json.dumps({"version": VERSION, "files": self._known}, ensure_ascii=False, separators=(",", ":"))
        try:
            replace_file(self._file, text.encode("utf-8", "surrogateescape"))
        except OSError:
            return  # a full disk costs the next start some seconds, nothing else


def _stamp(path: Path) -> list[int] | None:
    """Changes when the file does, for a folder when what describes it does; None when it is gone."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            marker = path / PIPELINE
            found = (marker if marker.is_file() else path / PART).stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _plain(identity: Identity) -> dict[str, Any]:
    values = {name: getattr(identity, name) for name in _NAMES}
    problem = identity.problem.to_json() if identity.problem else None
    tuples = {name: list(values[name]) for name in _TUPLES}
    return values | tuples | {"metadata": dict(identity.metadata), "problem": problem}


def _identity(path: Path, entry: dict[str, Any]) -> Identity | None:
    """The identity that an entry of the file describes; None when it does not."""
    values = entry.get("identity")
    if not isinstance(values, dict) or set(values) != _NAMES:
        return None
    told: dict[str, Any] = {**values, **{name: tuple(values[name]) for name in _TUPLES}}
    if told["problem"]:
        told["problem"] = Message.from_json(told["problem"])
        if told["problem"].id not in ENGLISH:
            return None
    return Identity(path=path, **told)


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        data = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(data, dict) or data.get("version") != VERSION or not isinstance(data.get("files"), dict):
        return {}
    return {path: entry for path, entry in data["files"].items() if isinstance(entry, dict)}
