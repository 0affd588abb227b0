"""A heading that shows and hides what is under it."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.icons import icon


class Fold(QWidget):
    """``body`` under a heading; open or folded."""

    toggled = Signal(bool)

    def __init__(
        self, title: str, tip: str, body: QWidget, *, opened: bool = True, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._title = title
        self._body = body
        self.heading = QPushButton(title)
        self.heading.setProperty("role", "fold")
        self.heading.setCheckable(True)
        self.heading.setAccessibleName(title)
        self.heading.setToolTip(tip)
        self.heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.XS)
        column.addWidget(self.heading)
        column.addWidget(body)
        self.heading.toggled.connect(self._toggled)
        self.heading.setChecked(opened)
        self._toggled(opened)

    @property
    def opened(self) -> bool:
        return self.heading.isChecked()

    def set_opened(self, opened: bool) -> None:
        self.heading.setChecked(opened)

    def set_note(self, note: str) -> None:
        """A short remark behind the heading; empty for none."""
        self.heading.setText(f"{self._title}  ·  {note}" if note else self._title)

    @Slot(bool)
    def _toggled(self, opened: bool) -> None:
        self._body.setVisible(opened)
        self.heading.setIcon(icon("chevron-down" if opened else "chevron-right"))
        self.toggled.emit(opened)
