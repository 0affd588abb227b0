"""The middle of the window: the welcome page, or the canvas with what the viewer has in front."""

from __future__ import annotations

from PySide6.QtCore import QSize, Slot
from PySide6.QtWidgets import QStackedWidget, QWidget

from desktop_app.ui.canvas import Canvas
from desktop_app.ui.images import image_of
from desktop_app.ui.viewer import Viewer
from desktop_app.ui.welcome import Welcome


class Stage(QStackedWidget):
    """Brings the viewer's picture or preview onto the canvas, each of them once."""

    def __init__(self, viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._on_canvas: tuple[object, bool] = (None, False)
        self.canvas = Canvas()
        self.welcome = Welcome()
        self.addWidget(self.welcome)
        self.addWidget(self.canvas)
        viewer.changed.connect(self.refresh)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        job, picture = self._viewer.job, self._viewer.picture
        if job and job.preview:
            if self._is_new(job.preview, job.ended):
                self.canvas.show_preview(image_of(job.preview), QSize(*job.request.final_size), dim=job.ended)
        elif picture and picture.image is not None:
            if self._is_new(picture.image, False):
                self.canvas.show_picture(picture.image)
        elif (picture is None or picture.message) and self._is_new(None, False):
            self.canvas.clear()
        self.setCurrentWidget(self.welcome if job is None and picture is None else self.canvas)

    def _is_new(self, content: object, dim: bool) -> bool:
        """Whether this is not on the canvas yet; from now on it counts as being there."""
        known = self._on_canvas[0] is content and self._on_canvas[1] == dim
        self._on_canvas = (content, dim)
        return not known
