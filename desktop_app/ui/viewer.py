"""Which picture is in front of the user: a running job's preview, or one finished picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.studio.job_queue import FinishedPicture, Job, JobQueue
from desktop_app.studio.picture_list import FILM_SUFFIXES
from desktop_app.studio.recipes import RecipeReader
from desktop_app.ui.images import Film, ImageFiles, image_of
from desktop_app.ui.kept_steps import KeptSteps
from desktop_app.ui.playhead import Playhead


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One finished picture or film; ``image``, ``film`` and ``result`` come a moment later when they are read."""

    path: Path | None
    image: QImage | None = None
    """Of a film, its first frame."""
    result: Result | None = None
    recipe_read: bool = False
    message: Message | None = None
    """Why the recipe or the file could not be read, or the picture not be saved."""
    film: Film | None = None
    """All frames, when there is more than one."""
    steps: tuple[tuple[int, Frames], ...] = ()
    """(step, preview of all frames) from while the film was made; only of films made since the window opened."""


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
        self.playhead = Playhead(self)
        """Which frame of a film is in front."""
        self._kept = KeptSteps(queue, self)
        self._files.ready.connect(self._image_read)
        self._files.film.connect(self._film_read)
        recipes.ready.connect(self._recipe_read)
        queue.progressed.connect(self._progressed)
        queue.picture.connect(self._finished)

    @property
    def shown(self) -> ShownPicture | None:
        """The finished picture in front, if there is one."""
        return None if self.job else self.picture

    @property
    def frame(self) -> QImage | None:
        """What of it is in front: the picture, or one frame of the film."""
        shown = self.shown
        return shown.film.image(self.playhead.index) if shown and shown.film else shown.image if shown else None

    @property
    def has_unsaved(self) -> bool:
        """Whether the finished picture in front, or behind a running job, has no file: none could be written."""
        return self.picture is not None and self.picture.path is None and self.picture.image is not None

    def saved(self, shown: ShownPicture, path: Path) -> None:
        """``shown`` was written to ``path``; if it had no file until now, that is its file."""
        if self.picture is shown and shown.path is None and shown.result:
            self.picture = replace(shown, path=path, message=None)
            self.changed.emit()

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
        if finished.frames.count > 1:
            film = Film(finished.frames, finished.result.request.fps)
            self.picture = replace(self.picture, film=film, steps=self._kept.steps)
        self.changed.emit()

    @Slot(object, object, str)
    def _image_read(self, path: Path, image: QImage, problem: str) -> None:
        if self.picture is None or self.picture.path != path or self.picture.image is not None:
            return
        if image.isNull():
            kind = "read.film" if path.suffix.lower() in FILM_SUFFIXES else "read.picture"
            message = Message(kind, {"file": str(path), "reason": problem})
            self.picture = replace(self.picture, message=message, recipe_read=True)
        else:
            self.picture = replace(self.picture, image=image)
        self.changed.emit()

    @Slot(object, object, str)
    def _film_read(self, path: Path, film: Film | None, problem: str) -> None:
        if self.picture is None or self.picture.path != path or self.picture.film is not None:
            return
        if film is None:
            message = Message("read.film", {"file": str(path), "reason": problem})
            self.picture = replace(self.picture, message=message)
        else:
            self.picture = replace(self.picture, film=film if film.count > 1 else None)
        self.changed.emit()

    @Slot(object, object, object)
    def _recipe_read(self, path: Path, result: Result | None, message: Message | None) -> None:
        if self.picture and self.picture.path == path and not self.picture.recipe_read:
            message = self.picture.message or message
            self.picture = replace(self.picture, result=result, recipe_read=True, message=message)
            self.changed.emit()
