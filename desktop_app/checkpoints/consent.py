"""Which pickled files a person has agreed to have read: one by one, and only as they were then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from desktop_app.checkpoints.single_file import known
from desktop_app.core.errors import AppError
from desktop_app.core.files import replace_file

Trusts = Callable[[Path], bool]
"""Whether a pickled file may be read."""


def nobody_agreed(file: Path) -> bool:
    """Trusts no pickled file."""
    return False


def require_consent(files: Iterable[Path], trusts: Trusts) -> None:
    """Raise ``AppError`` ("pickle.consent") at the first of ``files`` that is pickled and not trusted."""
    for file in files:
        if known(file).format == "pickle" and not trusts(file):
            raise AppError("pickle.consent", file=file.name)


class Consents:
    """Kept in a small file; one that changes on the disk has to be asked for again."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def given(self, path: Path) -> bool:
        """Whether a person has agreed to ``path`` as it is now."""
        return _stamp(path) in self._read()

    def give(self, path: Path) -> None:
        """Remember that a person agrees. Raises ``OSError``."""
        stamps = [stamp for stamp in self._read() if stamp[0] != str(path)]
        replace_file(self._file, json.dumps([*stamps, _stamp(path)]).encode())

    def _read(self) -> list[list[object]]:
        try:
            stamps = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return []
        return [stamp for stamp in stamps if isinstance(stamp, list) and stamp] if isinstance(stamps, list) else []


def _stamp(path: Path) -> list[object]:
    stat = path.stat()
    return [str(path), stat.st_size, stat.st_mtime_ns]
