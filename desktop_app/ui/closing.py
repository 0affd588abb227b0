"""Asks before the window closes on a running job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from desktop_app.studio.job_queue import JobQueue

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMessageBox


class ClosingQuestion(QObject):
    """Stop and close, or keep running."""

    agreed = Signal()
    """The jobs are stopped; the window may close."""

    def __init__(self, queue: JobQueue, window: QWidget) -> None:
        super().__init__(window)
        self._queue = queue
        self._window = window
        self.box: QMessageBox | None = None

    def ask(self) -> None:
        """Open the question, unless it is open already."""
        from PySide6.QtWidgets import QMessageBox  # each Qt class costs time when it is first named; not at start

        if self.box is not None:
            return
        text = self.tr("A picture is being made.")
        if waiting := len(self._queue.waiting):
            text += " " + self.tr("%n more waiting.", "", waiting)
        box = self.box = QMessageBox(QMessageBox.Icon.NoIcon, self.tr("Close Safelight?"), text, parent=self._window)
        box.setInformativeText(self.tr("Pictures that are finished are saved already."))
        stop = box.addButton(self.tr("Stop and close"), QMessageBox.ButtonRole.AcceptRole)
        stay = box.addButton(self.tr("Keep running"), QMessageBox.ButtonRole.RejectRole)
        for button, tip in (
            (stop, self.tr("Stop the running picture, drop those that wait, and close.")),
            (stay, self.tr("Leave the window open.")),
        ):
            button.setAccessibleName(button.text())
            button.setToolTip(tip)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.finished.connect(self._answered)
        box.open()

    @Slot()
    def _answered(self) -> None:
        box, self.box = self.box, None
        if box is None:
            return
        stop = box.buttonRole(box.clickedButton()) == box.ButtonRole.AcceptRole
        box.deleteLater()
        if stop:
            self._queue.clear_waiting()
            self._queue.cancel()
            self.agreed.emit()
