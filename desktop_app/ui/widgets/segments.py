"""A choice of two or three, side by side."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QHBoxLayout, QPushButton, QSizePolicy, QWidget


class Segments(QFrame):
    """Buttons of which one is down. Tab goes to that one, the arrow keys choose another."""

    chosen = Signal(str)
    """Key of what the user chose."""

    def __init__(self, name: str, choices: dict[str, tuple[str, str]], parent: QWidget | None = None) -> None:
        """``choices``: text and tooltip by key."""
        super().__init__(parent)
        self.setProperty("role", "segments")
        self.setAccessibleName(name)
        self.buttons: dict[str, QPushButton] = {}
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 2, 2, 2)
        row.setSpacing(2)
        for key, (text, tip) in choices.items():
            button = self.buttons[key] = QPushButton(text)
            button.setProperty("role", "segment")
            button.setCheckable(True)
            button.setAccessibleName(f"{name}: {text}")
            button.setToolTip(tip)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self._group.addButton(button)
            row.addWidget(button, 1)
        self._group.buttonToggled.connect(self._toggled)

    def show_chosen(self, key: str) -> None:
        """Press the button of ``key`` without emitting :attr:`chosen`."""
        with QSignalBlocker(self._group):
            self.buttons[key].setChecked(True)

    @Slot(QAbstractButton, bool)
    def _toggled(self, button: QAbstractButton, down: bool) -> None:
        if down:
            self.chosen.emit(next(key for key, known in self.buttons.items() if known is button))
