"""Every model file in the user's folders, with what is known of it: a list to search, filter and show."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from desktop_app.checkpoints.consent import Consents, Trusts, nobody_agreed
from desktop_app.checkpoints.finding import is_model, named
from desktop_app.checkpoints.identity import UNKNOWN, Identity
from desktop_app.checkpoints.index import Index
from desktop_app.checkpoints.scan import display_name, model_files
from desktop_app.checkpoints.sidecars import Notes, names_in, read_notes
from desktop_app.studio.background import Background
from desktop_app.studio.conversion import Conversion

_NOWHERE = QModelIndex()


@dataclass(frozen=True, slots=True)
class LibraryItem:
    """One model file or folder."""

    name: str
    """Of a whole model the one by which it is chosen, of others what people call it."""
    identity: Identity
    notes: Notes

    def matches(self, words: Sequence[str]) -> bool:
        """Whether every word occurs in what is known of it; words are in lower case."""
        told = (self.name, self.identity.path.parent.name, self.identity.title, *self.notes.trigger_words)
        text = "\n".join(told).lower()
        return all(word in text for word in words)


@dataclass(frozen=True, slots=True)
class LibraryScan:
    """What is in the user's folders."""

    items: tuple[LibraryItem, ...] = ()
    """Everything, by name; a file in two folders counts once."""
    models: Mapping[str, Path] = field(default_factory=dict)
    """The whole models that may be read, in the order of the folders."""
    trusted: frozenset[Path] = frozenset()
    """Pickled files that a person agreed to have read."""


def scan_library(
    folders: Sequence[Path], index: Index, stopped: Callable[[], bool], trusts: Trusts = nobody_agreed
) -> LibraryScan:
    """Look through ``folders``; ``stopped`` is asked between files, ``trusts`` of each pickled file."""
    paths = dict.fromkeys(path for folder in folders for path in model_files(folder))
    beside = {folder: names_in(folder) for folder in {path.parent for path in paths}}
    known = {identity.path: identity for identity in index.identities(paths, stopped)}
    whole = named(path for path in known if is_model(path, known.__getitem__))
    names = {path: name for name, path in whole.items()}
    trusted = frozenset(path for path, one in known.items() if one.format == "pickle" and trusts(path))
    models = {name: path for name, path in whole.items() if known[path].format != "pickle" or path in trusted}
    items = [
        LibraryItem(names.get(path) or display_name(path), one, read_notes(one, beside[path.parent]))
        for path, one in known.items()
    ]
    return LibraryScan(tuple(sorted(items, key=lambda item: _in_order(item.name))), models, trusted)


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sorts names without regard to case, and "v2" before "v10"."""
    return [(int(piece), "") if piece.isdecimal() else (0, piece) for piece in re.split(r"(\d+)", name.lower())]


class ModelLibrary(QAbstractListModel):
    """What is in ``folders()``, less what the filter hides. Scans in the background, on a thread of its own."""

    scanned = Signal()
    """A scan has ended, or begun: see :attr:`scanning`."""

    def __init__(
        self, folders: Callable[[], Sequence[Path]], index: Path, consents: Consents, parent: QObject | None = None
    ) -> None:
        """``index`` is the file that keeps what is known between starts; ``consents`` say which pickles may be read."""
        super().__init__(parent)
        self._folders = folders
        self._index_file = index
        self._consents = consents
        self._index: Index | None = None
        self._background = Background(self)
        self.conversion = Conversion(self)
        self.conversion.finished.connect(self.refresh)
        self._stopped = threading.Event()
        self._found = LibraryScan()
        self.scanning = False
        self._shown: list[LibraryItem] = []
        self._filter: tuple[tuple[str, ...], str, str] = ((), "", "")

    @property
    def items(self) -> tuple[LibraryItem, ...]:
        """Everything that was found, by name."""
        return self._found.items

    @property
    def models(self) -> Mapping[str, Path]:
        """The whole models that were found, by the name by which each is chosen."""
        return self._found.models

    def may_read(self, identity: Identity) -> bool:
        """Whether a file is no pickle, or one that a person agreed to have read."""
        return identity.format != "pickle" or identity.path in self._found.trusted

    def refresh(self) -> None:
        """Look at all folders again, in the background."""
        folders = tuple(self._folders())
        self.scanning = True
        self.scanned.emit()
        self._background.run(lambda: self._scan(folders), self._take)

    def allow(self, path: Path) -> None:
        """Remember in the background that a person agrees to have the pickled file at ``path`` read; look again."""
        self._background.run(lambda: self._consents.give(path), lambda _: self.refresh())

    def show_only(self, text: str, kind: str, architecture: str) -> None:
        """Hide what lacks a word of ``text``, or is of another kind or architecture; "" hides nothing."""
        self._filter = (tuple(text.lower().split()), kind, architecture)
        self._apply()

    def item(self, row: int) -> LibraryItem:
        """Raises ``IndexError``."""
        return self._shown[row]

    def row_of(self, path: Path) -> int:
        """Row of the model at ``path``, or of the one whose preview picture that is; -1 if it is not shown."""
        return next(
            (row for row, item in enumerate(self._shown) if path in (item.identity.path, item.notes.preview)), -1
        )

    def kinds(self) -> list[str]:
        """Kinds that occur, unknown last."""
        return _occurring(item.identity.kind for item in self.items)

    def architectures(self) -> list[str]:
        """Architectures that occur, unknown last."""
        return _occurring(item.identity.architecture for item in self.items)

    def close(self) -> None:
        """Stop a scan or a conversion that is running; call before the program ends."""
        self._stopped.set()
        self.conversion.stop()
        self._background.close()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NOWHERE) -> int:  # noqa: N802 (Qt's name)
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        item = self._shown[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return item.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(item.identity.path)
        return None

    def _scan(self, folders: Sequence[Path]) -> LibraryScan:
        if self._index is None:
            self._index = Index(self._index_file)
        return scan_library(folders, self._index, self._stopped.is_set, self._consents.given)

    def _take(self, found: LibraryScan) -> None:
        self.scanning = False
        if found != self._found:
            self._found = found
            self._apply()
        self.scanned.emit()

    def _apply(self) -> None:
        words, kind, architecture = self._filter
        self.beginResetModel()
        self._shown = [
            item
            for item in self.items
            if kind in ("", item.identity.kind)
            and architecture in ("", item.identity.architecture)
            and item.matches(words)
        ]
        self.endResetModel()


def _occurring(values: Any) -> list[str]:
    return sorted(set(values), key=lambda value: (value == UNKNOWN, value))
