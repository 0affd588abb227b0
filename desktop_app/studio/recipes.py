"""Reads the recipe inside a picture or film file, off the GUI thread."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.studio.background import Background


class RecipeReader(QObject):
    """Asks for recipes by path; each answer names the path it belongs to."""

    ready = Signal(object, object, object)
    """(path, Result or None, Message or None): no result and no message means a file without a recipe."""

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background

    def read(self, path: Path) -> None:
        """Start reading; :attr:`ready` tells."""
        self._background.run(lambda: _read(path), self._answer)

    def _answer(self, answer: tuple[Path, Result | None, Message | None]) -> None:
        self.ready.emit(*answer)


def _read(path: Path) -> tuple[Path, Result | None, Message | None]:
    from desktop_app.export.metadata import read_recipe  # not needed before the first file is opened

    try:
        return path, read_recipe(path), None
    except AppError as problem:
        return path, None, problem.message
