"""Asks before the window closes on a running job, or on a picture that has no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from desktop_app.studio.job_queue import JobQueue
from desktop_app.ui.viewer import Viewer

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMessageBox


class ClosingQuestion(QObject):
    """Close, though something would be lost, or stay."""

    agreed = Signal()
    """The window may close; running jobs are stopped."""

    def __init__(self, queue: JobQueue, viewer: Viewer, window: QWidget) -> None:
        super().__init__(window)
        self._queue = queue
        self._viewer = viewer
        self._window = window
        self.box: QMessageBox | None = None

    @property
    def is_needed(self) -> bool:
        """Whether something would be lost."""
        return bool(self._queue.jobs) or self._viewer.has_unsaved

    def ask(self) -> None:
        """Open the question, unless it is open already."""
        from PySide6.QtWidgets import QMessageBox  # each Qt class costs time when it is first named; not at start

        if self.box is not None:
            return
        if running := bool(self._queue.jobs):
            text = self.tr("A picture is being made.")
            if waiting := len(self._queue.waiting):
                text += " " + self.tr("%n more waiting.", "", waiting)
            about = self.tr("Pictures that are finished are saved already.")
        else:
            text, about = self.tr("The picture in front has no file."), ""
        if self._viewer.has_unsaved:
            about = self.tr("The picture in front could not be saved, and is gone when the window closes.")
        box = self.box = QMessageBox(QMessageBox.Icon.NoIcon, self.tr("Close Safelight?"), text, parent=self._window)
        box.setInformativeText(about)
        names = (self.tr("Stop and close"), self.tr("Keep running"))
        stop_tip = self.tr("Stop the running picture, drop those that wait, and close.")
        if not running:
            names, stop_tip = (self.tr("Close without it"), self.tr("Stay")), self.tr("Lose it, and close.")
        stop = box.addButton(names[0], QMessageBox.ButtonRole.AcceptRole)
        stay = box.addButton(names[1], QMessageBox.ButtonRole.RejectRole)
        for button, tip in ((stop, stop_tip), (stay, self.tr("Leave the window open."))):
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
