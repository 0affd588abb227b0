"""The newest pictures and films of the output folder, as a list that views can show."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from desktop_app.studio.background import Background

FILM_SUFFIXES = (".mp4", ".webm", ".gif")
"""Of files that always hold a film; a .webp may be a picture or a film."""
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", *FILM_SUFFIXES)
MOST = 200
_NOWHERE = QModelIndex()


@dataclass(frozen=True, slots=True)
class PictureItem:
    """A picture or film file: no pixels, only where it is."""

    path: Path
    modified: float
    """Seconds since the epoch."""
    size: int
    """In bytes."""


def newest_pictures(folder: Path, most: int = MOST) -> tuple[PictureItem, ...]:
    """The ``most`` newest pictures in ``folder``, newest first; empty when the folder cannot be read."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith("."):
                    stat = entry.stat()
                    if stat.st_size:
                        found.append(PictureItem(Path(entry.path), stat.st_mtime, stat.st_size))
    except OSError:
        return ()
    return tuple(sorted(found, key=lambda item: item.modified, reverse=True)[:most])


class PictureList(QAbstractListModel):
    """Newest first. Scans ``folder()`` in the background; finished pictures are added as they are saved."""

    PathRole = Qt.ItemDataRole.UserRole + 1

    def __init__(self, folder: Callable[[], Path], background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._background = background
        self._items: tuple[PictureItem, ...] = ()

    def refresh(self) -> None:
        """Read the folder again, in the background."""
        folder = self._folder()
        self._background.run(lambda: newest_pictures(folder), self._take)

    def added(self, path: Path) -> None:
        """Put a picture that was just saved at the head."""
        stat = path.stat()
        self.forget(path)
        self.beginInsertRows(QModelIndex(), 0, 0)
        self._items = (PictureItem(path, stat.st_mtime, stat.st_size), *self._items)
        self.endInsertRows()

    def forget(self, path: Path) -> None:
        """Take a picture off the list; the file is left alone."""
        for row, item in enumerate(self._items):
            if item.path == path:
                self.beginRemoveRows(QModelIndex(), row, row)
                self._items = self._items[:row] + self._items[row + 1 :]
                self.endRemoveRows()
                return

    def item(self, row: int) -> PictureItem:
        """Raises ``IndexError``."""
        return self._items[row]

    def row_of(self, path: Path) -> int:
        """Row of the picture at ``path``, or -1."""
        return next((row for row, item in enumerate(self._items) if item.path == path), -1)

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NOWHERE) -> int:  # noqa: N802 (Qt's name)
        return 0 if parent.isValid() else len(self._items)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        item = self._items[index.row()]
        if role == self.PathRole:
            return item.path
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return item.path.name
        return None

    def _take(self, items: tuple[PictureItem, ...]) -> None:
        if items == self._items:
            return
        self.beginResetModel()
        self._items = items
        self.endResetModel()
