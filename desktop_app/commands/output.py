"""Where the files of the command line go, and what becomes of one that cannot be written there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop_app.core.catalog import FILM
from desktop_app.core.errors import AppError
from desktop_app.core.events import Picture
from desktop_app.core.paths import AppPaths
from desktop_app.export.pictures import Saved, check_template, format_of, save_as, save_picture


@dataclass(frozen=True, slots=True)
class Target:
    """Where pictures or films go: a file name, or a folder that the template fills."""

    file: Path | None
    folder: Path
    settings: Mapping[str, Any]

    def save(self, picture: Picture) -> Saved:
        """Write one of them. Raises ``AppError``."""
        if picture.result.request.is_film:
            return self._save_film(picture)
        settings = self.settings
        options = {"quality": settings["quality"], "metadata": settings["metadata"]}
        if self.file is not None:
            return save_as(picture.frames, picture.result, self.file, number=True, **options)
        named = {"folder": self.folder, "template": settings["file_name"], "format": settings["format"]}
        return save_picture(picture.frames, picture.result, **named, **options)

    def _save_film(self, film: Picture) -> Saved:
        from desktop_app.export.films import save_film, save_film_as

        settings = self.settings
        options = {"quality": settings["film_quality"], "metadata": settings["metadata"]}
        if self.file is not None:
            fps = film.result.request.fps
            return save_film_as(film.frames, film.result, self.file, fps=fps, number=True, **options)
        named = {"folder": self.folder, "template": settings["file_name"], "format": settings["film_format"]}
        return save_film(film.frames, film.result, **named, **options)


def find_target(output: str | None, kind: str, settings: Mapping[str, Any], paths: AppPaths) -> Target:
    """Understand ``-o``, and find out now rather than after the work that nothing can be written there.

    Raises ``RequestError`` ("save.format") and ``AppError``.
    """
    chosen = settings["output_folder"]
    folder = Path(output or chosen or paths.pictures).expanduser().absolute()
    file = None
    if output and not output.endswith(("/", os.sep)) and not folder.is_dir():
        file = folder
        _check_suffix(file, kind)
        folder = file.parent
    elif problem := check_template(settings["file_name"]):
        raise AppError(problem.id, **problem.values)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise AppError("save.folder", folder=str(folder), reason=problem.strerror or str(problem)) from problem
    return Target(file, folder, settings)


def _check_suffix(file: Path, kind: str) -> None:
    if kind == FILM:
        from desktop_app.export.films import film_format_of

        film_format_of(file)
    else:
        format_of(file)


def save_or_keep(picture: Picture, target: Target) -> Saved:
    """Save a picture or film; when that fails, keep it in the system's folder for temporary files.

    Raises ``AppError`` ("save.kept-aside"), which says where.
    """
    try:
        return target.save(picture)
    except AppError as problem:
        from desktop_app.export.aside import keep_aside

        metadata = target.settings["metadata"]
        _, message = keep_aside(picture.frames, picture.result, [], problem, metadata=metadata)
        raise AppError(message.id, **message.values) from problem
