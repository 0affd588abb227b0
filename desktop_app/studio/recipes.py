"""Reads the recipe inside a picture or film file, off the GUI thread, and finds files in it that were renamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop_app.checkpoints.digests import Digests
from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.studio.background import Background
from desktop_app.studio.model_library import LibraryItem, ModelLibrary
from desktop_app.studio.renamed import new_names, with_new_names


class RecipeReader(QObject):
    """Asks for recipes by path; each answer names the path it belongs to."""

    ready = Signal(object, object, object)
    """(path, Result or None, Message or None): no result and no message means a file without a recipe."""
    renamed = Signal(object, str, str)
    """Before :attr:`ready`, (path, old, new): a model file that the recipe asks for has the new name, and so has it."""

    def __init__(
        self, background: Background, library: ModelLibrary, digests: Path, parent: QObject | None = None
    ) -> None:
        """``digests`` is the file that keeps those of model files."""
        super().__init__(parent)
        self._background = background
        self._library = library
        self._digests = Digests(digests)

    def read(self, path: Path) -> None:
        """Start reading; :attr:`ready` tells."""
        items = self._library.items
        self._background.run(lambda: _read(path, items, self._digests), self._answer)

    def _answer(self, answer: tuple[Path, Result | None, Message | None, dict[tuple[str, str], str]]) -> None:
        *told, names = answer
        for (_, old), new in names.items():
            self.renamed.emit(answer[0], old, new)
        self.ready.emit(*told)


def _read(
    path: Path, items: Sequence[LibraryItem], digests: Digests
) -> tuple[Path, Result | None, Message | None, dict[tuple[str, str], str]]:
    from desktop_app.export.recipes import read_recipe  # not needed before the first file is opened

    try:
        result = read_recipe(path)
    except AppError as problem:
        return path, None, problem.message, {}
    names = new_names(result, items, digests) if result else {}
    if result and names:
        result = replace(result, request=with_new_names(result.request, names))
    return path, result, None, names
