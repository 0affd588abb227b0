"""A thin line that fills with the accent colour."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QProgressBar, QWidget

from desktop_app.ui import theme


class ProgressLine(QProgressBar):
    """3 px high; 0 to 1000. A progress bar underneath, so that screen readers read it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(0, 1000)
        self.setValue(0)
        self.setTextVisible(False)
        self.setFixedHeight(3)

    def set_fraction(self, fraction: float) -> None:
        """``fraction`` in [0, 1]."""
        self.setValue(round(1000 * min(1.0, max(0.0, fraction))))

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.color("line"))
        filled = QRectF(self.rect())
        filled.setWidth(filled.width() * self.value() / 1000)
        painter.fillRect(filled, theme.color("accent"))
