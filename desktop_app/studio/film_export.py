"""A film written anew as a file of another kind, and a look ahead at what that file would be, off the GUI thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from desktop_app.core.errors import AppError
from desktop_app.core.files import create_file, replace_file
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.studio.background import Background

COPY = "copy"
"""In place of a format: the film's own file, as it is."""
LOOK_AFTER_MS = 250
"""A choice must stand this long before its size is estimated."""


@dataclass(frozen=True, slots=True)
class FilmChoice:
    """How a film is to be written."""

    path: Path
    format: str
    """A key of ``export.films.FILM_FORMATS``, or :data:`COPY`, for which nothing but ``path`` counts."""
    fps: float
    loops: int
    """How often a player shows it; 0 is for ever. Counts only where the format has it."""
    size: tuple[int, int]
    """(width, height) in px."""
    quality: int
    """1 to 100; counts only where the format has it."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would come of a choice."""

    choice: FilmChoice
    bytes: int | None
    """About how large the file would be; None when that cannot be said, and ``message`` says why."""
    taken: bool
    """A file of that name exists."""
    message: Message | None = None


class FilmExport(QObject):
    """One film, looked at and written as often as wanted; one piece of work at a time."""

    looked = Signal(object)
    """Outlook on the newest choice."""
    saved = Signal(object)
    """Path of the file that was written."""
    failed = Signal(object)
    """Message: why it was not written."""

    def __init__(
        self,
        frames: Frames,
        result: Result | None,
        source: Path | None,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        """``source`` is the file that the film has already. Without ``result`` the new files carry no recipe."""
        super().__init__(parent)
        self._frames = frames
        self._result = result
        self.source = source
        self._background = background
        self._wanted: FilmChoice | None = None
        self._looking = False
        self._closed = False
        self.busy = False
        """Whether a file is being written."""
        self._timer = QTimer(self, singleShot=True, interval=LOOK_AFTER_MS)
        self._timer.timeout.connect(self._look)

    def look(self, choice: FilmChoice) -> None:
        """Estimate what would come of ``choice`` once it has stood a moment; :attr:`looked` tells."""
        self._wanted = choice
        self._timer.start()

    def save(self, choice: FilmChoice, *, metadata: bool, overwrite: bool) -> None:
        """Write the film; :attr:`saved` or :attr:`failed` tells. An existing file is refused without ``overwrite``."""
        self.busy = True
        frames, result, source = self._frames, self._result, self.source

        def work() -> Path | Message:
            try:
                if choice.format == COPY and source is not None:
                    return _copied(source, choice.path, overwrite=overwrite)
                return _written(frames, result, choice, metadata=metadata, overwrite=overwrite)
            except AppError as problem:
                return problem.message

        self._background.run(work, self._finish)

    def close(self) -> None:
        """Nothing more is wanted. What is being written is still finished; afterwards this object goes."""
        self._timer.stop()
        self._wanted = None
        self._closed = True
        self._leave()

    def _leave(self) -> None:
        if self._closed and not self._looking and not self.busy:
            self.deleteLater()

    def _look(self) -> None:
        if self._looking or self._wanted is None:
            return  # the end of the look under way starts the next
        self._looking = True
        frames, source, choice = self._frames, self.source, self._wanted
        self._wanted = None
        self._background.run(lambda: _outlook(frames, source, choice), self._seen)

    def _seen(self, outlook: Outlook) -> None:
        self._looking = False
        if self._wanted is None:
            self.looked.emit(outlook)
        elif not self._timer.isActive():
            self._look()
        self._leave()

    def _finish(self, end: Path | Message) -> None:
        self.busy = False
        if isinstance(end, Message):
            self.failed.emit(end)
        else:
            self.saved.emit(end)
        self._leave()


def _outlook(frames: Frames, source: Path | None, choice: FilmChoice) -> Outlook:
    taken = False
    try:
        taken = choice.path.exists()
        if choice.format == COPY and source is not None:
            return Outlook(choice, source.stat().st_size, taken)
        return Outlook(choice, _estimated(frames, choice), taken)
    except AppError as problem:
        return Outlook(choice, None, taken, problem.message)
    except OSError as problem:
        return Outlook(choice, None, taken, _save_error(problem, choice.path).message)


def _estimated(frames: Frames, choice: FilmChoice) -> int:
    from desktop_app.export.films import estimate_bytes  # what it needs is not loaded before the first export

    return estimate_bytes(frames, format=choice.format, fps=choice.fps, quality=choice.quality, size=choice.size)


def _written(frames: Frames, result: Result | None, choice: FilmChoice, *, metadata: bool, overwrite: bool) -> Path:
    from desktop_app.export.films import save_film_as

    return save_film_as(
        frames,
        result,
        choice.path,
        format=choice.format,
        fps=choice.fps,
        loops=choice.loops,
        size=choice.size,
        quality=choice.quality,
        metadata=metadata,
        overwrite=overwrite,
    ).path


def _copied(source: Path, target: Path, *, overwrite: bool) -> Path:
    """A copy of ``source`` at ``target``. Raises ``AppError``, leaving an old file as it was."""
    if source == target:
        return target
    try:
        if not overwrite:
            return create_file(target, source.read_bytes(), number=False)
        replace_file(target, source.read_bytes())
    except FileExistsError as problem:
        raise AppError("save.exists", file=target.name) from problem
    except OSError as problem:
        raise _save_error(problem, target) from problem
    return target


def _save_error(problem: OSError, path: Path) -> AppError:
    return AppError("save.folder", folder=str(path.parent), reason=problem.strerror or str(problem))
