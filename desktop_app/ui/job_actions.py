"""What the window does with jobs: queue one, stop it, keep it, and say how it ended."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QApplication, QWidget

from desktop_app.core.messages import Message
from desktop_app.studio.draft import Draft
from desktop_app.studio.job_queue import FinishedPicture, Job, JobQueue
from desktop_app.ui.viewer import Viewer


class JobActions(QObject):
    """Ties draft, queue and viewer together."""

    error = Signal(object, str)
    """(Message, details)."""
    notice = Signal(object)
    """Message."""

    def __init__(self, draft: Draft, queue: JobQueue, viewer: Viewer, window: QWidget) -> None:
        super().__init__(window)
        self._draft = draft
        self._queue = queue
        self._viewer = viewer
        self._window = window
        queue.picture.connect(self._picture_finished)
        queue.ended.connect(self._job_ended)
        queue.notice.connect(self._queue_notice)

    @Slot()
    def generate(self, first: bool = False) -> None:
        """Queue what the controls say, and watch it."""
        problem = self._draft.problem()
        if problem:
            self.error.emit(problem, "")
            return
        self._queue.add(self._draft.request(), front=first)
        self._viewer.follow(self._queue.current)

    @Slot()
    def generate_first(self) -> None:
        """The same, before all that wait."""
        self.generate(first=True)

    @Slot(object, object)
    def _picture_finished(self, job: Job, finished: FinishedPicture) -> None:
        if not self._draft.value("seed_locked"):
            self._draft.set_value("seed", finished.result.seed)
        QApplication.alert(self._window)
        self._announce(self.tr("Picture {number} of {all} is done.").format(number=len(job.finished), all=job.pictures))

    @Slot(object)
    def _job_ended(self, job: Job) -> None:
        if job.state == "failed" and job.message:
            self.error.emit(job.message, job.details)

    def _announce(self, text: str) -> None:
        """Tell those who listen instead of look."""
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._window, text))

    @Slot(object)
    def _queue_notice(self, message: Message) -> None:
        if self._queue.engine_state == "stopped":
            self.error.emit(message, "")
        else:
            self.notice.emit(message)
