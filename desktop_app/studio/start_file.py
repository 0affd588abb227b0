"""The file that the next picture or film starts from: looked at off the GUI thread, and written where there is none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop_app.core.errors import AppError
from desktop_app.core.files import replace_file
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.studio.background import Background


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at a file."""

    path: str
    digest: str = ""
    modified: int = 0
    """In nanoseconds since the epoch."""
    message: Message | None = None


_NOTHING = _Seen("")


class StartFile(QObject):
    """Whether the start file is there, and the digest of its bytes; both are known a moment after :meth:`look`."""

    changed = Signal()
    """Another file, or something new about it."""

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._wanted = ""
        self._seen = _NOTHING

    @property
    def looked(self) -> bool:
        """Whether what is told here is about the file that was asked for last."""
        return self._seen.path == self._wanted

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hexadecimal; "" while it is not known."""
        return self._seen.digest if self.looked else ""

    @property
    def modified(self) -> int:
        """When it was written last, in nanoseconds since the epoch; 0 while that is not known."""
        return self._seen.modified if self.looked else 0

    @property
    def message(self) -> Message | None:
        """Why the file cannot be used."""
        return self._seen.message if self.looked else None

    def look(self, path: str) -> None:
        """Start looking at ``path``, "" for no file; one that has not changed since is not read again."""
        self._wanted = path
        if path:
            seen = self._seen
            self._background.run(lambda: _look(path, seen), self._take)
        else:
            self._seen = _NOTHING

    def refuse(self, message: Message) -> None:
        """The file is there, but nobody can read it as a picture."""
        self._seen = _Seen(self._wanted, self.digest, self.modified, message)
        self.changed.emit()

    def _take(self, seen: _Seen) -> None:
        if seen.path == self._wanted and seen != self._seen:
            self._seen = seen
            self.changed.emit()


def _look(path: str, before: _Seen) -> _Seen:
    try:
        with Path(path).open("rb") as stream:
            modified = Path(path).stat().st_mtime_ns
            if (path, modified) == (before.path, before.modified):
                return before
            return _Seen(path, hashlib.file_digest(stream, "sha256").hexdigest(), modified)
    except FileNotFoundError:
        return _Seen(path, message=Message("start.missing", {"file": Path(path).name}))
    except (OSError, ValueError) as problem:  # no file, no permission; a path with characters that no system takes
        reason = getattr(problem, "strerror", None) or str(problem)
        return _Seen(path, message=Message("start.unreadable", {"file": Path(path).name, "reason": reason}))


def keep_frame(frame: Frames, folder: Path, name: str) -> Path:
    """Write a PNG of ``frame`` to ``folder``; its name tells its contents, so that one file serves every use.

    Raises ``AppError``.
    """
    from desktop_app.export import png  # not needed before the first frame is taken

    data, _ = png.encode(frame, None, 0)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:8]}.png"
    try:
        if not path.exists():
            replace_file(path, data)
    except OSError as problem:
        raise AppError("save.folder", folder=str(folder), reason=problem.strerror or str(problem)) from problem
    return path
