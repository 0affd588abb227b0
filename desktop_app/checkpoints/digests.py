"""SHA-256 of LoRAs and textual inversions, by which a file is known when it has got another name; kept between starts.

As Automatic1111 does: of a LoRA in a safetensors file the tensors alone, so that notes added to its header change
nothing (modules/hashes.py; kohya's tools write the same as ``sshs_model_hash``), of everything else the whole file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.embeddings import KIND as EMBEDDING
from desktop_app.checkpoints.loras import LORA, lora_name
from desktop_app.core.files import replace_file
from desktop_app.core.result import UsedFile

VERSION = 1
KEPT = 5_000
"""Digests; the oldest go."""


def uses(loras: Iterable[Path], embeddings: Iterable[Path]) -> dict[Path, UsedFile]:
    """What a recipe says of the files of a run, but for their digests."""
    found: dict[Path, UsedFile] = {}
    for kind, paths in ((LORA, loras), (EMBEDDING, embeddings)):
        for path in paths:
            with contextlib.suppress(OSError):  # gone meanwhile
                name = lora_name(path) if kind == LORA else path.stem
                found[path] = UsedFile(kind, name, "", path.stat().st_size)
    return found


class Digests:
    """Each good as long as size and time of change of its file stay the same. Two processes may share ``file``."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writing = threading.Lock()

    def known(self, path: Path, kind: str) -> str:
        """The digest of ``path``, a file of ``kind``; "" if it was never read as it is now."""
        entry = self._read().get(f"{kind}:{path}")
        try:
            return entry["digest"] if entry and entry["stamp"] == _stamp(path) else ""
        except OSError:
            return ""

    def read(self, path: Path, kind: str) -> str:
        """The digest of ``path``, a file of ``kind``, which is read if it has to be. Raises ``OSError``."""
        if found := self.known(path, kind):
            return found
        stamp = _stamp(path)
        with path.open("rb") as file:
            if kind == LORA:
                file.seek(8 + int.from_bytes(file.read(8), "little"))
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with self._writing:
            kept = self._read() | {f"{kind}:{path}": {"stamp": stamp, "digest": digest}}
            text = json.dumps({"version": VERSION, "files": dict(list(kept.items())[-KEPT:])})
            with contextlib.suppress(OSError):  # a full disk costs reading it again, nothing else
                replace_file(self._file, text.encode())
        return digest

    def begin(self, files: Mapping[Path, UsedFile]) -> threading.Thread:
        """Read those that are not known on a thread of its own, for :meth:`known` to find them later."""
        thread = threading.Thread(target=self._read_all, args=[files], name="digests", daemon=True)
        thread.start()
        return thread

    def _read_all(self, files: Mapping[Path, UsedFile]) -> None:
        for path, use in files.items():
            with contextlib.suppress(OSError):  # gone meanwhile: then it has none
                self.read(path, use.kind)

    def _read(self) -> dict[str, Any]:
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            return stored["files"] if stored["version"] == VERSION else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
