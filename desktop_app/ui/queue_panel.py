"""The jobs: the running one, those that wait, and those that ended without a result."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop_app.studio.job_queue import Job, JobQueue
from desktop_app.ui import theme
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import ElidedLabel, label

MOST_ROWS = 30
MOST_ENDED = 5


class QueuePanel(QWidget):
    """One row for each job; long queues are cut, with a line that says how many more there are."""

    content_changed = Signal(int)
    """How many jobs there are to show."""

    def __init__(self, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._ended: list[Job] = []
        self._rows: dict[int, _JobRow] = {}
        self._column = QVBoxLayout()
        self._column.setSpacing(theme.XS)
        self.more = label("", "muted")
        self.clear = QPushButton(self.tr("Remove all waiting"))
        self.clear.setAccessibleName(self.clear.text())
        self.clear.setToolTip(self.tr("Take every waiting job off the list. The running one goes on."))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(theme.XS, 0, 0, 0)
        outer.setSpacing(theme.S)
        outer.addLayout(self._column)
        outer.addWidget(self.more)
        outer.addWidget(self.clear)
        self.clear.clicked.connect(queue.clear_waiting)
        queue.changed.connect(self.refresh)
        queue.progressed.connect(self._progressed)
        queue.ended.connect(self._job_ended)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the jobs as they stand."""
        jobs = [*self._ended, *self._queue.jobs]
        wanted = {job.id: job for job in jobs[:MOST_ROWS]}
        for id in [id for id in self._rows if id not in wanted]:
            row = self._rows.pop(id)
            self._column.removeWidget(row)
            row.deleteLater()
        for place, job in enumerate(wanted.values()):
            row = self._rows.get(job.id)
            if row is None:
                row = self._rows[job.id] = _JobRow(job, self)
            self._column.removeWidget(row)
            self._column.insertWidget(place, row)
            row.refresh()
        self.more.setText(self.tr("and %n more", "", len(jobs) - len(wanted)))
        self.more.setVisible(len(jobs) > len(wanted))
        self.clear.setVisible(len(self._queue.waiting) > 1)
        self.content_changed.emit(len(jobs))

    def run_again(self, job: Job) -> None:
        self._forget(job)
        self._queue.again(job)

    def remove(self, job: Job) -> None:
        """Take a waiting or ended job off the list, or stop the running one."""
        if job is self._queue.current:
            self._queue.cancel()
        elif job.ended:
            self._forget(job)
            self.refresh()
        else:
            self._queue.remove(job.id)

    def _forget(self, job: Job) -> None:
        self._ended = [ended for ended in self._ended if ended is not job]

    @Slot(object)
    def _job_ended(self, job: Job) -> None:
        if job.state != "finished":
            self._ended = [*self._ended, job][-MOST_ENDED:]

    @Slot(object)
    def _progressed(self, job: Job) -> None:
        if job.id in self._rows:
            self._rows[job.id].refresh()


class _JobRow(QFrame):
    def __init__(self, job: Job, panel: QueuePanel) -> None:
        super().__init__(panel)
        self._job = job
        self.setProperty("role", "card")
        self.prompt = ElidedLabel(" ".join(job.request.prompt.split()) or self.tr("(no prompt)"))
        self.state = ElidedLabel("", "muted")
        self.again = IconButton("again", self.tr("Run again"), self.tr("Start this job once more, with the same seed."))
        self.remove = IconButton("close", "", "")
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.prompt)
        words.addWidget(self.state)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.S, theme.XS, theme.XS, theme.XS)
        row.setSpacing(theme.XS)
        row.addLayout(words, 1)
        row.addWidget(self.again)
        row.addWidget(self.remove)
        self.again.clicked.connect(lambda: panel.run_again(job))
        self.remove.clicked.connect(lambda: panel.remove(job))

    def refresh(self) -> None:
        job = self._job
        size = "{} × {} px".format(*job.request.final_size)
        self.state.setText(" · ".join(filter(None, (self._state_text(), self._what(job), size))))
        self.again.setVisible(job.ended)
        self.remove.setEnabled(not job.stopping)
        if job.state == "waiting":
            self.remove.dress("close", self.tr("Remove job"), self.tr("Take this job off the list."))
        elif job.ended:
            self.remove.dress("close", self.tr("Dismiss job"), self.tr("Take this job off the list."))
        else:
            self.remove.dress("stop", self.tr("Stop job"), self.tr("Stop the running job (Esc)."))

    def _what(self, job: Job) -> str:
        """What is made, where it is more than one picture."""
        if not job.request.is_film:
            return self.tr("%n pictures", "", job.pictures) if job.pictures > 1 else ""
        frames = self.tr("%n frames", "", job.request.frames)
        films = self.tr("%n films", "", job.pictures) if job.pictures > 1 else self.tr("film")
        return self.tr("{films} of {frames}").format(films=films, frames=frames)

    def _state_text(self) -> str:
        job = self._job
        match job.state:
            case "waiting":
                return self.tr("Waiting")
            case "cancelled":
                return self.tr("Cancelled")
            case "failed":
                return self.tr("Failed")
        if job.stopping:
            return self.tr("Stopping")
        return self.tr("Running")
