"""The middle of the window: the welcome page, or the canvas with what the viewer has in front."""

from __future__ import annotations

from PySide6.QtCore import QSize, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop_app.core.frames import Frames
from desktop_app.studio.job_queue import Job
from desktop_app.ui import theme
from desktop_app.ui.canvas import Canvas
from desktop_app.ui.images import Film, image_of
from desktop_app.ui.viewer import Viewer
from desktop_app.ui.welcome import Welcome


class Stage(QStackedWidget):
    """Brings the viewer's picture, film or preview onto the canvas, each of them once and films in motion."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._on_canvas: tuple[object, bool] = (None, False)
        self.canvas = Canvas()
        self.welcome = Welcome()
        self.addWidget(self.welcome)
        self.addWidget(self.canvas)
        viewer.changed.connect(self.refresh)
        viewer.playhead.moved.connect(self._draw)
        viewer.playhead.hold("hidden", True)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show what is in front now."""
        job, picture = self._viewer.job, self._viewer.picture
        if job and job.preview:
            if self._is_new(job.preview, job.ended):
                self._show_preview(job, job.preview)
        elif picture and picture.image is not None:
            if self._is_new(picture.film or picture.image, False):
                self._show_picture(picture.film)
        elif (picture is None or picture.message) and self._is_new(None, False):
            self._viewer.playhead.put_in(None, 1, 1, play=False)
            self.canvas.clear()
        self.setCurrentWidget(self.welcome if job is None and picture is None else self.canvas)

    def _show_preview(self, job: Job, preview: Frames) -> None:
        """The next step's preview of a film goes on where the last one's was."""
        moving = not job.ended and not theme.reduced_motion()
        self._viewer.playhead.put_in(("preview", job.id, job.picture), preview.count, job.request.fps, play=moving)
        self._draw()

    def _show_picture(self, film: Film | None) -> None:
        count, fps = (film.count, film.fps) if film else (1, 1)
        self._viewer.playhead.put_in(object(), count, fps, play=not theme.reduced_motion())
        self._draw()

    @Slot()
    def _draw(self) -> None:
        """Put the frame in front onto the canvas."""
        job, index = self._viewer.job, self._viewer.playhead.index
        if job and job.preview:
            self.canvas.show_preview(image_of(job.preview, index), QSize(*job.request.final_size), dim=job.ended)
        elif (frame := self._viewer.frame) is not None:
            self.canvas.show_picture(frame)

    def _is_new(self, content: object, dim: bool) -> bool:
        """Whether this is not on the canvas yet; from now on it counts as being there."""
        known = self._on_canvas[0] is content and self._on_canvas[1] == dim
        self._on_canvas = (content, dim)
        return not known

    # -- a film that nobody sees stands still

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        super().showEvent(event)
        self._viewer.playhead.hold("hidden", False)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 (Qt's name)
        super().hideEvent(event)
        self._viewer.playhead.hold("hidden", True)
