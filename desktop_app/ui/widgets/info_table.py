"""Names and values in two columns; every value can be selected and copied."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.flow_layout import delete_all
from desktop_app.ui.widgets.labels import label, selectable
from desktop_app.ui.widgets.wrapping_text import WrappingText

LONGEST_WORD = 22
NAME_WIDTH = 72
"""At least, so that tables under one another align."""


class InfoTable(QWidget):
    """Shows (name, value) pairs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pairs: list[tuple[str, str]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.M)
        self._grid.setVerticalSpacing(theme.XS)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnMinimumWidth(0, NAME_WIDTH)

    def show_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        pairs = list(pairs)
        if pairs == self._pairs:
            return
        self._pairs = pairs
        delete_all(self._grid)
        for row, (name, value) in enumerate(pairs):
            caption = label(name, "muted")
            caption.setAlignment(Qt.AlignmentFlag.AlignTop)
            shown = _value(value)
            shown.setAccessibleName(f"{name}: {value}")
            self._grid.addWidget(caption, row, 0)
            self._grid.addWidget(shown, row, 1)

    def text(self) -> str:
        """All of it as lines."""
        return "\n".join(f"{name}: {value}" for name, value in self._pairs)


def _value(value: str) -> QWidget:
    """A label that wraps between words, or a text that wraps anywhere where a word is long (a path)."""
    longest = max(map(len, value.split()), default=0)
    return selectable(value) if longest <= LONGEST_WORD else WrappingText(value)
