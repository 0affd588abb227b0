"""What is dropped on the window: a picture offers its recipe, and to be the start of another one; models are added."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, QPoint, Signal, Slot
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.checkpoints.scan import WEIGHTS
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.studio.picture_list import SUFFIXES
from desktop_app.studio.recipes import RecipeReader

YAML = (".yaml", ".yml")


def dropped_picture(data: QMimeData) -> Path | None:
    """The first local picture file in what is dragged, by its name."""
    for url in data.urls():
        path = Path(url.toLocalFile())
        if url.isLocalFile() and path.suffix.lower() in SUFFIXES:
            return path
    return None


def dropped_models(data: QMimeData) -> list[Path]:
    """Local folders, model files and ComfyUI's lists of folders in what is dragged."""
    paths = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    return [path for path in paths if path.is_dir() or path.suffix.lower() in (*WEIGHTS, *YAML)]


class DroppedRecipe(QObject):
    """Reads the recipe of a dropped picture, then asks what to take from it."""

    take = Signal(object, str)
    """(Result, "all", "remix", "prompt" or "seed")."""
    start_wanted = Signal(object)
    """Path of the picture or film that the next one shall start from."""
    show_wanted = Signal(object)
    """Path of the picture that the user wants to see."""
    said = Signal(str)
    failed = Signal(object)
    """Message."""

    def __init__(self, recipes: RecipeReader, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent
        self._recipes = recipes
        self._path: Path | None = None
        self._at = QPoint()
        self.menu: QMenu | None = None
        self.offers_start = False
        """Whether a picture may be taken as the start picture."""
        recipes.renamed.connect(self._renamed)
        recipes.ready.connect(self._ready)

    def drop(self, path: Path, at: QPoint) -> None:
        """Start reading; the menu opens at the global position ``at``."""
        self._path, self._at = path, at
        self._recipes.read(path)

    @Slot(object, str, str)
    def _renamed(self, path: Path, old: str, new: str) -> None:
        if path == self._path:
            self.said.emit(self.tr("{old} is called {new} here.").format(old=old, new=new))

    @Slot(object, object, object)
    def _ready(self, path: Path, result: Result | None, message: Message | None) -> None:
        if path != self._path:
            return
        self._path = None
        if message is not None:
            self.failed.emit(message)
        elif result is None and not self.offers_start:
            self._show_plain(path)
        else:
            self._ask(path, result)

    def _show_plain(self, path: Path) -> None:
        """Show a file without a recipe, and say so."""
        self.show_wanted.emit(path)
        self.said.emit(self.tr("{file} carries no recipe, so there is nothing to take from it.").format(file=path.name))

    def _ask(self, path: Path, result: Result | None) -> None:
        menu = self.menu = QMenu(self._window)
        for text, what in (
            (self.tr("Use all"), "all"),
            (self.tr("Remix (all but the seed)"), "remix"),
            (self.tr("Use prompt"), "prompt"),
            (self.tr("Use seed"), "seed"),
        ):
            if result is not None:
                menu.addAction(text).triggered.connect(lambda _=False, what=what: self.take.emit(result, what))
        if self.offers_start:
            start = menu.addAction(self.tr("Use as start picture"))
            start.triggered.connect(lambda: self.start_wanted.emit(path))
        menu.addSeparator()
        show = menu.addAction(self.tr("Only show it"))
        show.triggered.connect(lambda: self.show_wanted.emit(path) if result else self._show_plain(path))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._at)
