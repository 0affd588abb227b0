"""Small pictures for the strip: read in the background, kept within bounds."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from PySide6.QtCore import QObject, QSize, Signal, Slot
from PySide6.QtGui import QImage, QPixmap

from desktop_app.ui.images import DURATION, ImageFiles

MOST = 300
Key = tuple[Path, float, int]


class Thumbnails(QObject):
    """Pixmaps by file, time of change and size; the least recently used go first."""

    ready = Signal(object)
    """Path whose thumbnail can be had now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._files = ImageFiles(1, self)
        self._files.ready.connect(self._take)
        self._kept: OrderedDict[Key, QPixmap] = OrderedDict()
        self._asked: set[Key] = set()
        self._seconds: dict[tuple[Path, float], float] = {}

    def get(self, path: Path, modified: float, side: int) -> QPixmap | None:
        """The thumbnail within ``side`` × ``side`` px, null when the file is no picture, or None while it is read."""
        key = (path, modified, side)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key not in self._asked:
            self._asked.add(key)
            self._files.read(key, path, QSize(side, side))
        return None

    def seconds(self, path: Path, modified: float) -> float | None:
        """How long the film is, once its thumbnail was read; None for a picture."""
        return self._seconds.get((path, modified))

    def close(self) -> None:
        """Stop reading; call before the program ends."""
        self._files.close()

    @Slot(object, object, str)
    def _take(self, key: Key, image: QImage, problem: str) -> None:
        self._asked.discard(key)
        self._kept[key] = QPixmap.fromImage(image)
        if DURATION in image.textKeys():
            self._seconds[key[:2]] = float(image.text(DURATION))
        while len(self._kept) > MOST:
            (path, modified, _), _ = self._kept.popitem(last=False)
            self._seconds.pop((path, modified), None)
        self.ready.emit(key[0])
