"""Finished films become files: at once under a name of their own, or where and as the user says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.files import place_file, place_folder, temporary_name
from desktop_app.core.frames import Frames
from desktop_app.core.result import Result
from desktop_app.export import png, video, webp
from desktop_app.export.names import picture_path
from desktop_app.export.pictures import Saved, save_error
from desktop_app.export.video import FilmOptions

_SAMPLE = 16
"""Frames that are encoded to estimate a longer film's size."""


@dataclass(frozen=True, slots=True)
class FilmFormat:
    """One film format. ``suffixes`` are lower case with their dot; new files get the first."""

    label: str
    about: str
    suffixes: tuple[str, ...]
    write: Callable[[Frames, Result | None, Path, FilmOptions], None] | None
    """Writes the file; None for one picture per frame, in a folder."""
    has_quality: bool = True
    loops: bool = False
    """Whether the file says how often a player shows it."""


FILM_FORMATS: dict[str, FilmFormat] = {
    "mp4": FilmFormat("MP4", "H.264: plays everywhere.", (".mp4",), video.write_mp4),
    "webm": FilmFormat("WebM", "VP9: smaller, for the web.", (".webm",), video.write_webm),
    "gif": FilmFormat("GIF", "256 colours; plays by itself wherever pictures are shown.", (".gif",), video.write_gif,
                      has_quality=False, loops=True),
    "webp": FilmFormat("WebP", "An animated picture: all colours, much smaller than GIF.", (".webp",),
                       webp.write_film, loops=True),
    "png": FilmFormat("PNG", "One picture for every frame, in a folder: nothing is lost.", (".png",), None,
                      has_quality=False),
}  # fmt: skip


def film_format_of(path: Path) -> str:
    """Key of the format that a file name asks for by its suffix. Raises ``RequestError`` ("save.format-film")."""
    for key, kind in FILM_FORMATS.items():
        if path.suffix.lower() in kind.suffixes:
            return key
    known = ", ".join(suffix for kind in FILM_FORMATS.values() for suffix in kind.suffixes)
    raise RequestError("save.format-film", value=path.suffix or path.name, known=known)


def save_film(
    frames: Frames,
    result: Result,
    *,
    folder: Path,
    template: str,
    format: str,
    quality: int,
    metadata: bool,
    now: datetime | None = None,
) -> Saved:
    """Write a finished film into ``folder`` (made when missing) under a name of its own, at its own frame rate.

    As :func:`desktop_app.export.pictures.save_picture`, and it raises what :func:`save_film_as` does.
    """
    if format not in FILM_FORMATS:
        raise AppError("save.format-film", value=format, known=", ".join(FILM_FORMATS))
    path = folder / picture_path(template, result, now or datetime.now(), FILM_FORMATS[format].suffixes[0])
    fps = result.request.fps
    return save_film_as(frames, result, path, format=format, fps=fps, quality=quality, metadata=metadata, number=True)


def save_film_as(
    frames: Frames,
    result: Result | None,
    path: Path,
    *,
    format: str | None = None,
    fps: float,
    loops: int = 0,
    size: tuple[int, int] | None = None,
    quality: int,
    metadata: bool,
    number: bool = False,
    overwrite: bool = False,
) -> Saved:
    """Write a film to ``path`` in ``format``, a key of :data:`FILM_FORMATS`, or the one that its suffix names.

    ``loops`` is how often a player shows it, 0 for ever; ``size`` (width, height) in px, its own by default;
    ``quality`` from 1 to 100. A taken name is treated as by :func:`desktop_app.export.pictures.save_as`. One picture
    for every frame goes into a folder of that name; the path given back is that of the first picture, and a folder is
    never replaced. What was written is read back before it gets its name: leaves nothing behind when it fails.

    Raises ``AppError`` ("save.folder", "save.full", "save.exists", "save.format-film", "save.short", "ffmpeg.…").
    """
    kind = FILM_FORMATS[format or film_format_of(path)]
    options = FilmOptions(fps, loops, quality)
    result = result if metadata else None
    frames = video.resized(frames, size or (frames.width, frames.height))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind.write is None:
            return Saved(_save_pictures(frames, result, path, number=number or overwrite), ())
        if path.exists() and not (number or overwrite):
            raise FileExistsError(path)  # before the work; the name is taken exclusively afterwards
        temporary = temporary_name(path.parent)
        try:
            kind.write(frames, result, temporary, options)
            return Saved(place_file(temporary, path, number=number, overwrite=overwrite), ())
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as problem:
        if isinstance(problem, FileExistsError) and path.exists():
            raise AppError("save.exists", file=path.name) from problem
        raise save_error(problem, path) from problem


def estimate_bytes(frames: Frames, *, format: str, fps: float, quality: int, size: tuple[int, int]) -> int:
    """About how large the file would be, without a recipe: a short film is encoded, of a longer one the beginning.

    Raises ``AppError`` as :func:`save_film_as` does.
    """
    start = video.resized(_part(frames, 0, min(frames.count, _SAMPLE)), size)
    whole = _encoded_bytes(start, format, fps, quality)
    if frames.count <= _SAMPLE:
        return whole
    half = _encoded_bytes(_part(start, 0, _SAMPLE // 2), format, fps, quality)
    return whole + (frames.count - _SAMPLE) * max(0, whole - half) // (_SAMPLE // 2)


def _encoded_bytes(frames: Frames, format: str, fps: float, quality: int) -> int:
    write = FILM_FORMATS[format].write
    if write is None:
        return sum(len(png.encode(_part(frames, index, 1), None, 0)[0]) for index in range(frames.count))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film")
        write(frames, None, path, FilmOptions(fps, 0, quality))
        return path.stat().st_size


def _save_pictures(frames: Frames, result: Result | None, path: Path, *, number: bool) -> Path:
    """One PNG for every frame, each with the recipe, in a folder called as ``path`` without its suffix."""
    temporary = temporary_name(path.parent)
    temporary.mkdir()
    try:
        digits = max(3, len(str(frames.count)))
        for index in range(frames.count):
            data, _ = png.encode(_part(frames, index, 1), result, 0)
            (temporary / f"{path.stem}-{index + 1:0{digits}}{path.suffix}").write_bytes(data)
        folder = place_folder(temporary, path.with_suffix(""), number=number)
    except BaseException as problem:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(problem, FileExistsError):
            raise AppError("save.exists", file=path.stem) from problem
        raise
    return folder / f"{path.stem}-{1:0{digits}}{path.suffix}"


def _part(frames: Frames, start: int, count: int) -> Frames:
    """``count`` frames from number ``start`` on."""
    size = frames.height * frames.width * 3
    return Frames(count, frames.height, frames.width, frames.data[start * size : (start + count) * size])
