"""Films read back for the player, off the GUI thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtGui import QImage

from desktop_app.core.errors import AppError
from desktop_app.ui.images import Film, image_of


class FilmError(Exception):
    """Why a film cannot be read: part of a sentence."""


def first_frame(path: Path) -> tuple[QImage, float]:
    """(first frame, length in seconds) of a file that ffmpeg reads. Raises ``FilmError``."""
    from desktop_app.export.reading import first_of_film  # what it needs is not loaded before the first film

    with _told():
        frames, seconds = first_of_film(path)
        return image_of(frames), seconds


def read_film(path: Path) -> Film:
    """All frames of a film. Raises ``FilmError``."""
    from desktop_app.export.reading import read_frames

    with _told():
        frames, fps = read_frames(path)
        return Film(frames, fps or 1.0)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except AppError as problem:
        raise FilmError(str(problem.message.values.get("reason", problem.message.text)).rstrip(".")) from problem
