"""A picture or film that cannot be saved as it should be is kept elsewhere, and the person is told where."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export.films import save_film_as
from desktop_app.export.pictures import save_as


def keep_aside(
    frames: Frames, result: Result, folders: Sequence[Path], problem: AppError, *, metadata: bool
) -> tuple[Path, Message]:
    """Keep what ``problem`` prevented from being saved in the first of ``folders`` that takes it, or where files go
    that are only for a time.

    Pixel for pixel; a film becomes an animated WebP, which needs no ffmpeg. Returns the file's path, and what to tell
    the person ("save.kept-aside"). Raises ``problem`` when no folder takes it.
    """
    for folder in (*folders, *_temporary_folder()):
        try:
            path = _keep(frames, result, folder / f"safelight-{result.seed}", metadata=metadata)
        except AppError:
            continue
        told = problem.message
        return path, Message("save.kept-aside", {"reason": told.text, "remedy": told.remedy, "file": str(path)})
    raise problem


def _temporary_folder() -> list[Path]:
    try:
        return [Path(tempfile.gettempdir())]
    except OSError:  # it tries which folder can be written, and on a full disk none can
        return []


def _keep(frames: Frames, result: Result, stem: Path, *, metadata: bool) -> Path:
    if not result.request.is_film:
        return save_as(frames, result, stem.with_suffix(".png"), quality=100, metadata=metadata, number=True).path
    path, fps = stem.with_suffix(".webp"), result.request.fps
    return save_film_as(frames, result, path, fps=fps, quality=100, metadata=metadata, number=True).path
