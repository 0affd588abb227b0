"""Which picture is in front of the user: a running job's preview, or one finished picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.studio.job_queue import FinishedPicture, Job, JobQueue
from desktop_app.studio.recipes import RecipeReader
from desktop_app.ui.images import ImageFiles, image_of


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One finished picture; ``image`` and ``result`` come a moment later when it is read from a file."""

    path: Path | None
    image: QImage | None = None
    result: Result | None = None
    recipe_read: bool = False
    message: Message | None = None
    """Why the recipe or the file could not be read, or the picture not be saved."""


class Viewer(QObject):
    """Follows the running job until the user looks at something else, and again from the next one on."""

    changed = Signal()

    def __init__(self, queue: JobQueue, recipes: RecipeReader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._recipes = recipes
        self._files = ImageFiles(1, self)
        self.picture: ShownPicture | None = None
        self.job: Job | None = None
        """The job whose preview is in front, running or stopped; None while a finished picture is."""
        self.following = True
        self._files.ready.connect(self._image_read)
        recipes.ready.connect(self._recipe_read)
        queue.progressed.connect(self._progressed)
        queue.picture.connect(self._finished)

    @property
    def shown(self) -> ShownPicture | None:
        """The finished picture in front, if there is one."""
        return None if self.job else self.picture

    def follow(self, job: Job | None) -> None:
        """Watch the running job from now on; with None, the next one."""
        self.following = True
        self.job = job if job and job.preview else None
        self.changed.emit()

    def show_path(self, path: Path) -> None:
        """Show a picture file; pixels and recipe are read in the background."""
        self.following = False
        self.job = None
        if self.picture is None or self.picture.path != path:
            self.picture = ShownPicture(path)
            self._files.forget()
            self._files.read(path, path)
            self._recipes.read(path)
        self.changed.emit()

    def discard(self) -> None:
        """Take a stopped job's preview away; what was shown before comes back."""
        self.job = None
        self.changed.emit()

    def forget(self, path: Path) -> None:
        """The file is gone."""
        if self.picture and self.picture.path == path:
            self.picture = None
            self.changed.emit()

    def close(self) -> None:
        """Stop reading files; call before the program ends."""
        self._files.close()

    @Slot(object)
    def _progressed(self, job: Job) -> None:
        if not self.following:
            return
        if job.state == "denoising" and job.preview:
            self.job = job
        elif job.state == "finished" or (job.ended and job.preview is None):
            self.job = None
        self.changed.emit()

    @Slot(object, object)
    def _finished(self, job: Job, finished: FinishedPicture) -> None:
        if not self.following:
            return
        self.job = None
        path = finished.path if isinstance(finished.path, Path) else None
        self.picture = ShownPicture(path, image_of(finished.frames), finished.result, True, finished.message)
        self.changed.emit()

    @Slot(object, object, str)
    def _image_read(self, path: Path, image: QImage, problem: str) -> None:
        if self.picture is None or self.picture.path != path or self.picture.image is not None:
            return
        if image.isNull():
            message = Message("read.picture", {"file": str(path), "reason": problem})
            self.picture = replace(self.picture, message=message, recipe_read=True)
        else:
            self.picture = replace(self.picture, image=image)
        self.changed.emit()

    @Slot(object, object, object)
    def _recipe_read(self, path: Path, result: Result | None, message: Message | None) -> None:
        if self.picture and self.picture.path == path and not self.picture.recipe_read:
            message = self.picture.message or message
            self.picture = replace(self.picture, result=result, recipe_read=True, message=message)
            self.changed.emit()
