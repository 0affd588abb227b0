"""The one accent button; a small count shows what waits."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QPushButton, QWidget

from desktop_app.ui import theme


class GenerateButton(QPushButton):
    """Queues and never blocks."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "accent")
        self._waiting = 0
        self._problem = self._need = ""
        self.set_film(False)

    def set_film(self, film: bool) -> None:
        """Whether it makes a film or a picture."""
        self._film = film
        self.setText(self.tr("Generate film") if film else self.tr("Generate"))
        self.set_waiting(self._waiting)
        self.set_problem(self._problem)

    def set_problem(self, problem: str) -> None:
        """Why nothing can be generated now; empty when it can."""
        self._problem = problem
        self.setEnabled(not problem)
        if self._film:
            usual = self.tr("Make the film, after those that wait (Ctrl+Enter; Ctrl+Shift+Enter puts it first).")
        else:
            usual = self.tr("Make the picture, after those that wait (Ctrl+Enter; Ctrl+Shift+Enter puts it first).")
        self.setToolTip(problem or " ".join(filter(None, (usual, self._need))))
        self.setAccessibleDescription(self.toolTip())

    def set_need(self, need: str) -> None:
        """What the run will need of memory, as a sentence; empty when that is not known."""
        self._need = need
        self.set_problem(self._problem)

    def set_waiting(self, count: int) -> None:
        """How many jobs wait behind the running one."""
        self._waiting = count
        waiting = ", " + self.tr("%n waiting", "", count) if count else ""
        self.setAccessibleName(self.text() + waiting)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        super().paintEvent(event)
        if not self._waiting:
            return
        text = str(self._waiting)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.sized(self.font(), theme.FONT_SMALL, bold=True))
        width = max(22, painter.fontMetrics().horizontalAdvance(text) + 14)
        badge = QRectF(self.width() - width - 10, (self.height() - 22) / 2, width, 22)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("on_accent" if self.isEnabled() else "line"))
        painter.drawRoundedRect(badge, 11, 11)
        painter.setPen(theme.color("accent" if self.isEnabled() else "text"))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)
