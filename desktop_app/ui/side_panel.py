"""The right column: the queue and the details of the picture in front. A part shows only when it has content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from desktop_app.studio.job_queue import Job, JobQueue
from desktop_app.studio.picture_list import PictureList
from desktop_app.ui import theme
from desktop_app.ui.viewer import Viewer
from desktop_app.ui.widgets.fold import Fold
from desktop_app.ui.widgets.scroll import scrolling

if TYPE_CHECKING:
    from desktop_app.ui.details_panel import DetailsPanel
    from desktop_app.ui.queue_panel import QueuePanel


class SidePanel(QFrame):
    """Queue and Details, each under a heading that folds. Built with the first content: the window opens faster."""

    content_changed = Signal()

    def __init__(self, queue: JobQueue, viewer: Viewer, pictures: PictureList, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._viewer = viewer
        self._pictures = pictures
        self._actions: Mapping[str, QAction] = {}
        self._jobs = 0
        self.queue_panel: QueuePanel | None = None
        self.details_panel: DetailsPanel | None = None
        self.setProperty("role", "right")
        self.setMinimumWidth(248)
        self.setMaximumWidth(460)
        queue.changed.connect(self._queue_changed)

    def give_actions(self, actions: Mapping[str, QAction]) -> None:
        """The actions behind the buttons of the details."""
        self._actions = actions

    @property
    def has_content(self) -> bool:
        """Whether there is a job or a picture to tell of."""
        return self._jobs > 0 or self._viewer.shown is not None

    @Slot()
    def refresh(self) -> None:
        """Show the details of the picture in front."""
        shown = self._viewer.shown
        if shown is not None:
            self._build()
        if self.details_panel is None:
            return
        self.details_fold.setVisible(shown is not None)
        if shown is not None:
            row = self._pictures.row_of(shown.path) if shown.path else -1
            self.details_panel.show_picture(shown, self._pictures.item(row) if row >= 0 else None)

    def open_details(self) -> None:
        """Unfold the details."""
        self._build()
        self.details_fold.set_opened(True)

    def run_again(self, job: Job) -> None:
        """Queue an ended job once more and take it off the list of ended ones."""
        self._build()
        if self.queue_panel is not None:
            self.queue_panel.run_again(job)

    @Slot()
    def _queue_changed(self) -> None:
        if self.queue_panel is None and self._queue.jobs:
            self._build()

    @Slot(int)
    def _jobs_changed(self, jobs: int) -> None:
        self._jobs = jobs
        self.queue_fold.setVisible(jobs > 0)
        self.queue_fold.set_note(str(jobs) if jobs else "")
        self.content_changed.emit()

    def _build(self) -> None:
        if self.queue_panel is not None:
            return
        from desktop_app.ui.details_panel import DetailsPanel
        from desktop_app.ui.queue_panel import QueuePanel

        self.queue_panel = QueuePanel(self._queue)
        self.details_panel = DetailsPanel()
        self.details_panel.add_buttons(self._actions)
        self.queue_fold = Fold(self.tr("Queue"), self.tr("Show or hide the jobs."), self.queue_panel)
        self.details_fold = Fold(
            self.tr("Details"), self.tr("Show or hide how the picture was made."), self.details_panel
        )
        self.details_fold.hide()
        self._lay_out()
        self.queue_panel.content_changed.connect(self._jobs_changed)
        self.queue_panel.refresh()

    def _lay_out(self) -> None:
        page = QWidget()
        page.setProperty("role", "panel")
        column = QVBoxLayout(page)
        column.setContentsMargins(theme.M, theme.M, theme.M, theme.L)
        column.setSpacing(theme.M)
        column.addWidget(self.queue_fold)
        column.addWidget(self.details_fold)
        column.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scrolling(page))
