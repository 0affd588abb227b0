"""Pixels between the rooms: our frames, Qt's images, and image files read off the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QRunnable, QSize, Qt, QThreadPool, Signal
from PySide6.QtGui import QImage, QImageReader

from desktop_app.core.frames import Frames
from desktop_app.studio.picture_list import FILM_SUFFIXES

DURATION = "Duration"
"""Key of the text of an image that is the first frame of a film: how long the film is, in seconds."""
_MAY_MOVE = (".gif", ".webp")


@dataclass(frozen=True, slots=True)
class Film:
    """Frames, and how many of them a second."""

    frames: Frames
    fps: float

    @property
    def count(self) -> int:
        return self.frames.count

    @property
    def seconds(self) -> float:
        return self.frames.count / self.fps

    def image(self, index: int) -> QImage:
        """Frame ``index`` (from 0)."""
        return image_of(self.frames, index)


def image_of(frames: Frames, index: int = 0) -> QImage:
    """Frame ``index`` as an image that owns its pixels. Raises ``IndexError``."""
    if not 0 <= index < frames.count:
        raise IndexError(index)
    line = frames.width * 3
    pixels = memoryview(frames.data)[index * frames.height * line :]
    view = QImage(pixels, frames.width, frames.height, line, QImage.Format.Format_RGB888)
    return view.convertToFormat(QImage.Format.Format_RGB32)  # a copy: ``view`` only borrows the bytes


def frames_of(image: QImage) -> Frames:
    """One frame of an opaque image."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    rows, line = plain.constBits(), plain.width() * 3
    stride = plain.bytesPerLine()
    data = b"".join(bytes(rows[y * stride : y * stride + line]) for y in range(plain.height()))
    return Frames(1, plain.height(), plain.width(), data)


def enlarged(preview: QImage, size: QSize) -> QImage:
    """A preview of latent size brought near ``size``, smoothly.

    Doubling repeatedly with linear interpolation approaches a B-spline, without the diamonds of one large step.
    """
    image = preview
    while image.width() * 2 <= size.width() and image.height() * 2 <= size.height():
        image = image.scaled(
            image.size() * 2, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
    return image


class ImageFiles(QObject):
    """Reads image files on threads of its own; answers come to this object's thread."""

    ready = Signal(object, object, str)
    """(key given to :meth:`read`, QImage, why not); a null image for a file that cannot be read. Of a film it is the
    first frame, with :data:`DURATION` among its texts."""
    film = Signal(object, object, str)
    """(key, Film or None, why not): the whole film, after :attr:`ready`, where no size was given."""

    def __init__(self, threads: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool()
        self._pool.setMaxThreadCount(threads)

    def read(self, key: object, path: Path, within: QSize | None = None) -> None:
        """Start reading ``path``, scaled down to fit ``within``; :attr:`ready` tells."""
        self._pool.start(_Read(self, key, path, within))

    def forget(self) -> None:
        """Drop what has not been started yet."""
        self._pool.clear()

    def close(self) -> None:
        """Drop what waits and let the rest finish."""
        self._pool.clear()
        self._pool.waitForDone()


class _Read(QRunnable):
    def __init__(self, owner: ImageFiles, key: object, path: Path, within: QSize | None) -> None:
        super().__init__()
        self._owner, self._key, self._path, self._within = owner, key, path, within

    def run(self) -> None:
        suffix = self._path.suffix.lower()
        if suffix in FILM_SUFFIXES and suffix not in _MAY_MOVE:
            self._run_film()
            return
        reader = QImageReader(str(self._path))
        reader.setAutoTransform(True)
        frames = reader.imageCount() if suffix in _MAY_MOVE else 1
        size = reader.size()
        if self._within is not None and size.isValid():
            fitted = size.scaled(self._within, Qt.AspectRatioMode.KeepAspectRatio)
            reader.setScaledSize(fitted.boundedTo(size).expandedTo(QSize(1, 1)))
        image = reader.read()
        if frames > 1 and not image.isNull():
            image.setText(DURATION, str(frames * max(1, reader.nextImageDelay()) / 1000))
        self._owner.ready.emit(self._key, image, reader.errorString() if image.isNull() else "")
        if frames > 1 and not image.isNull() and self._within is None:
            self._read_whole()

    def _run_film(self) -> None:
        from desktop_app.ui.film_files import FilmError, first_frame  # not needed before the first film

        try:
            image, seconds = first_frame(self._path)
        except FilmError as problem:
            self._owner.ready.emit(self._key, QImage(), str(problem))
            return
        if self._within is not None:
            image = image.scaled(
                self._within, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
        image.setText(DURATION, str(seconds))
        self._owner.ready.emit(self._key, image, "")
        if self._within is None:
            self._read_whole()

    def _read_whole(self) -> None:
        from desktop_app.ui.film_files import FilmError, read_film

        try:
            self._owner.film.emit(self._key, read_film(self._path), "")
        except FilmError as problem:
            self._owner.film.emit(self._key, None, str(problem))
