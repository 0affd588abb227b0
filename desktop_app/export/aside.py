"""A picture or film that cannot be saved as it should be is kept elsewhere, and the person is told where."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export.films import save_film_as
from desktop_app.export.pictures import save_as


def keep_aside(frames: Frames, result: Result, folders: Iterable[Path], problem: AppError) -> tuple[Path, Message]:
    """Keep what ``problem`` prevented from being saved in the first of ``folders`` that takes it.

    Pixel for pixel, with its recipe; a film becomes an animated WebP, which needs no ffmpeg. Returns the file's path,
    and what to tell the person ("save.kept-aside"). Raises ``problem`` when no folder takes it.
    """
    for folder in folders:
        try:
            path = _keep(frames, result, folder / f"safelight-{result.seed}")
        except AppError:
            continue
        told = problem.message
        return path, Message("save.kept-aside", {"reason": told.text, "remedy": told.remedy, "file": str(path)})
    raise problem


def _keep(frames: Frames, result: Result, stem: Path) -> Path:
    if not result.request.is_film:
        return save_as(frames, result, stem.with_suffix(".png"), quality=100, metadata=True, number=True).path
    path, fps = stem.with_suffix(".webp"), result.request.fps
    return save_film_as(frames, result, path, fps=fps, quality=100, metadata=True, number=True).path
