"""Labels: with a role from the style sheet, elided, or reset by a double click."""

from __future__ import annotations

import re

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

LONG_WORD = 30
"""Characters from which on a word may be broken."""


def breakable(text: str) -> str:
    """``text`` with places to break in its long words (names of files and tensors), where labels know none.

    They are zero-width spaces, so it is for what is read and not for what is copied.
    """
    return re.sub(rf"\S{{{LONG_WORD},}}", lambda word: re.sub(r"([._/\\-])", "\\1\u200b", word[0]), text)


def label(text: str = "", role: str = "", parent: QWidget | None = None, *, wrap: bool = False) -> QLabel:
    """A plain-text label; ``role`` is one of those the style sheet names."""
    made = QLabel(text, parent)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setProperty("role", role)
    made.setWordWrap(wrap)
    return made


def selectable(text: str = "", role: str = "") -> QLabel:
    """A wrapping label whose text can be selected with mouse and keyboard."""
    made = label(text, role, wrap=True)
    made.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    made.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return made


class ElidedLabel(QLabel):
    """One line that is cut to "…", at its end unless said otherwise, where there is no room; the tooltip then has all
    of it."""

    def __init__(
        self,
        text: str = "",
        role: str = "",
        parent: QWidget | None = None,
        *,
        cut: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        super().__init__(text, parent)
        self._cut = cut
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._tip = ""

    def set_tip(self, tip: str) -> None:
        """A tooltip that always shows, in place of the cut text."""
        self._tip = tip
        self.setToolTip(tip)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        return QSize(24, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        painter = QPainter(self)
        area = self.contentsRect()
        text = self.fontMetrics().elidedText(self.text(), self._cut, area.width())
        if not self._tip:
            self.setToolTip(self.text() if text != self.text() else "")
        painter.setPen(self.palette().color(self.foregroundRole()))
        painter.drawText(area, int(self.alignment()), text)


class ResetLabel(QLabel):
    """Label of a control; a double click asks for the default."""

    reset = Signal()

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        self.reset.emit()
