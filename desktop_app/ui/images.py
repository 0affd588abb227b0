"""Pixels between the rooms: our frames, Qt's images, and image files read off the GUI thread."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QRunnable, QSize, Qt, QThreadPool, Signal
from PySide6.QtGui import QImage, QImageReader

from desktop_app.core.frames import Frames


def image_of(frames: Frames) -> QImage:
    """The first frame as an image that owns its pixels."""
    view = QImage(frames.data, frames.width, frames.height, frames.width * 3, QImage.Format.Format_RGB888)
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
    """(key given to :meth:`read`, QImage, why not); a null image for a file that cannot be read."""

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
        reader = QImageReader(str(self._path))
        reader.setAutoTransform(True)
        size = reader.size()
        if self._within is not None and size.isValid():
            fitted = size.scaled(self._within, Qt.AspectRatioMode.KeepAspectRatio)
            reader.setScaledSize(fitted.boundedTo(size).expandedTo(QSize(1, 1)))
        image = reader.read()
        self._owner.ready.emit(self._key, image, reader.errorString() if image.isNull() else "")
