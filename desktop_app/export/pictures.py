"""Finished pictures become files: at once under a name of their own, or where the user says."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.files import create_file, replace_file
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export import jpeg, png, webp
from desktop_app.export.names import check_template, picture_path

__all__ = ["FORMATS", "PictureFormat", "Saved", "check_template", "format_of", "save_as", "save_error", "save_picture"]


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """One picture format. ``suffixes`` are lower case with their dot; new files get the first."""

    label: str
    suffixes: tuple[str, ...]
    encode: Callable[[Frames, Result | None, int], tuple[bytes, tuple[Message, ...]]]


FORMATS: dict[str, PictureFormat] = {
    "png": PictureFormat("PNG", (".png",), png.encode),
    "jpeg": PictureFormat("JPEG", (".jpg", ".jpeg"), jpeg.encode),
    "webp": PictureFormat("WebP", (".webp",), webp.encode),
}


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a picture went, and what is worth knowing about it."""

    path: Path
    notices: tuple[Message, ...]


def format_of(path: Path) -> PictureFormat:
    """The format that a file name asks for by its suffix. Raises ``RequestError`` ("save.format")."""
    for kind in FORMATS.values():
        if path.suffix.lower() in kind.suffixes:
            return kind
    known = ", ".join(suffix for kind in FORMATS.values() for suffix in kind.suffixes)
    raise RequestError("save.format", value=path.suffix or path.name, known=known)


def save_picture(
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
    """Write a finished one-frame picture into ``folder`` (made when missing) under a name of its own.

    ``format`` is a key of :data:`FORMATS`; ``now`` is the local time for {date} and {time}. A taken name gets a number.
    Raises ``AppError`` ("save.folder", "save.full", "template.malformed", "save.format"), leaving nothing behind.
    """
    if format not in FORMATS:
        raise AppError("save.format", value=format, known=", ".join(FORMATS))
    kind = FORMATS[format]
    path = folder / picture_path(template, result, now or datetime.now(), kind.suffixes[0])
    data, notices = kind.encode(frames, result if metadata else None, quality)
    try:
        return Saved(create_file(path, data), notices)
    except OSError as problem:
        raise save_error(problem, path) from problem


def save_as(
    frames: Frames,
    result: Result | None,
    path: Path,
    *,
    quality: int,
    metadata: bool,
    number: bool = False,
    overwrite: bool = False,
) -> Saved:
    """Write a picture to ``path`` in the format its suffix names; without ``result`` it carries no recipe.

    A file that exists is refused ("save.exists"), unless the new one may take a ``number`` behind its name, or may
    ``overwrite`` it, for a caller who has asked. Raises ``AppError`` as :func:`save_picture` does, leaving nothing
    behind and an old file as it was.
    """
    data, notices = format_of(path).encode(frames, result if metadata else None, quality)
    try:
        if overwrite:
            replace_file(path, data)
        else:
            path = create_file(path, data, number=number)
    except OSError as problem:
        if isinstance(problem, FileExistsError) and path.exists():
            raise AppError("save.exists", file=path.name) from problem
        raise save_error(problem, path) from problem
    return Saved(path, notices)


def save_error(problem: OSError, path: Path) -> AppError:
    """Why ``path`` could not be written, for a person."""
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return AppError("save.full", file=path.name, folder=str(path.parent))
    return AppError("save.folder", folder=str(path.parent), reason=problem.strerror or str(problem))
