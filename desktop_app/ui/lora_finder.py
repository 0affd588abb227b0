"""A box that finds LoRAs by any words of their names, folders or trigger words, and shows what each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QCompleter, QLineEdit, QListView, QWidget

from desktop_app.checkpoints.loras import lora_name
from desktop_app.studio.model_library import LibraryItem
from desktop_app.ui.model_cards import ModelCards
from desktop_app.ui.thumbnails import Thumbnails

SIDE = 34
"""Of a preview picture, in px."""
ROWS = 7
"""Shown at once."""
_NOWHERE = QModelIndex()


class LoraChoices(QAbstractListModel):
    """LoRAs that may be worn, less those that lack a word of what is looked for."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._all: Sequence[LibraryItem] = ()
        self._shown: Sequence[LibraryItem] = ()
        self._words: list[str] = []

    def set_items(self, items: Sequence[LibraryItem]) -> None:
        self._all = items
        self.find(" ".join(self._words))

    def find(self, text: str) -> None:
        """Show those in which every word of ``text`` occurs."""
        self._words = text.lower().split()
        self.beginResetModel()
        self._shown = [item for item in self._all if item.matches(self._words)]
        self.endResetModel()

    def called(self, name: str) -> str | None:
        """The LoRA of that name as its file has it, letters being large or small; None if there is none."""
        names = (lora_name(item.identity.path) for item in self._all)
        return next((known for known in names if known.lower() == name.strip().lower()), None)

    def item(self, row: int) -> LibraryItem:
        """Raises ``IndexError``."""
        return self._shown[row]

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex = _NOWHERE) -> int:  # noqa: N802 (Qt's name)
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        item = self._shown[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole, Qt.ItemDataRole.AccessibleTextRole):
            return lora_name(item.identity.path)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(filter(None, (item.notes.description, str(item.identity.path))))
        return None


class LoraFinder(QLineEdit):
    """Lists what fits as soon as it is typed in, or asked with the arrow down."""

    chosen = Signal(str)
    """Name of a LoRA."""

    def __init__(self, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(self.tr("Add a LoRA…"))
        self.setAccessibleName(self.tr("Add a LoRA"))
        self.setToolTip(
            self.tr("Type words of its name, its folder or its trigger words. Listed are those that may fit the model.")
        )
        self.choices = LoraChoices(self)
        completer = QCompleter(self.choices, self)
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)  # the choices are filtered
        completer.setMaxVisibleItems(ROWS)
        popup = QListView()
        popup.setProperty("role", "popup")
        popup.setUniformItemSizes(True)
        popup.setMouseTracking(True)
        popup.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        popup.setAccessibleName(self.tr("LoRAs"))
        completer.setPopup(popup)
        popup.setItemDelegate(ModelCards(self.choices, thumbnails, popup, SIDE, _calls_or_notes))
        self.setCompleter(completer)
        thumbnails.ready.connect(popup.viewport().update)
        self.textEdited.connect(self.choices.find)
        completer.activated.connect(self._choose, Qt.ConnectionType.QueuedConnection)  # the box is filled in after it
        self.returnPressed.connect(lambda: self._choose(self.text()))

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 (Qt's name)
        super().focusOutEvent(event)
        if not self.text():
            self.choices.find("")

    @Slot(str)
    def _choose(self, name: str) -> None:
        known = self.choices.called(name)
        if known is not None:
            self.clear()
            self.choices.find("")
            self.chosen.emit(known)


def _calls_or_notes(item: LibraryItem) -> str:
    """What calls it up, or else the first line of its notes."""
    return ", ".join(item.notes.trigger_words) or item.notes.description.partition("\n")[0]
