"""The right column: the queue and the details of the picture in front. A part shows only when it has content."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from desktop_app.studio.job_queue import JobQueue
from desktop_app.studio.picture_list import PictureList
from desktop_app.ui import theme
from desktop_app.ui.details_panel import DetailsPanel
from desktop_app.ui.queue_panel import QueuePanel
from desktop_app.ui.viewer import Viewer
from desktop_app.ui.widgets.fold import Fold


class SidePanel(QFrame):
    """Queue and Details, each under a heading that folds."""

    content_changed = Signal()

    def __init__(self, queue: JobQueue, viewer: Viewer, pictures: PictureList, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._pictures = pictures
        self.setProperty("role", "right")
        self.setMinimumWidth(248)
        self.setMaximumWidth(460)
        self.queue_panel = QueuePanel(queue)
        self.details_panel = DetailsPanel()
        self.queue_fold = Fold(self.tr("Queue"), self.tr("Show or hide the jobs."), self.queue_panel)
        self.details_fold = Fold(
            self.tr("Details"), self.tr("Show or hide how the picture was made."), self.details_panel
        )
        self._lay_out()
        self.queue_panel.content_changed.connect(self._queue_changed)
        self._queue_changed(len(queue.jobs))
        self.refresh()

    @property
    def has_content(self) -> bool:
        """Whether there is a job or a picture to tell of."""
        return not (self.queue_fold.isHidden() and self.details_fold.isHidden())

    def _lay_out(self) -> None:
        page = QWidget()
        page.setProperty("role", "panel")
        column = QVBoxLayout(page)
        column.setContentsMargins(theme.M, theme.M, theme.M, theme.L)
        column.setSpacing(theme.M)
        for part in (self.queue_fold, self.details_fold):
            column.addWidget(part)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    @Slot(int)
    def _queue_changed(self, jobs: int) -> None:
        self.queue_fold.setVisible(jobs > 0)
        self.queue_fold.set_note(str(jobs) if jobs else "")
        self.content_changed.emit()

    @Slot()
    def refresh(self) -> None:
        """Show the details of the picture in front."""
        shown = self._viewer.shown
        self.details_fold.setVisible(shown is not None)
        if shown is not None:
            row = self._pictures.row_of(shown.path) if shown.path else -1
            self.details_panel.show_picture(shown, self._pictures.item(row) if row >= 0 else None)
