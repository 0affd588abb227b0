"""Which models there are in the user's folders, however deep, and what each is called.

Names come from where files lie; a header is read only of files that are asked for. Thousands of files take a while to
walk through, so whoever has several questions asks them of the same :func:`files_in`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from desktop_app.checkpoints.identify import identify
from desktop_app.checkpoints.identity import Identity
from desktop_app.checkpoints.scan import DEEPEST, PIPELINE, display_name, model_files
from desktop_app.checkpoints.single_file import SUFFIXES, known, may_be_run, usable
from desktop_app.core.errors import AppError, RequestError

MOST_SUGGESTED = 20
"""Names of models that are told to someone who asked for one that is not there."""


def files_in(folders: Iterable[Path], deepest: int = DEEPEST) -> tuple[Path, ...]:
    """Weight files and diffusers folders in ``folders``, ``deepest`` levels deep, in their order, each once."""
    return tuple(dict.fromkeys(path for folder in folders for path in model_files(folder, deepest)))


def find_models(folders: Iterable[Path]) -> dict[str, Path]:
    """Models in and below ``folders`` by name, in their order: see :func:`named` and :func:`is_model`.

    Reads the header of every weights file there.
    """
    return named(filter(is_model, files_in(folders)))


def is_model(path: Path, what_is: Callable[[Path], Identity] = known) -> bool:
    """Whether ``path``, a file or folder that :func:`model_files` found, is a whole model, or a damaged one.

    ``what_is`` tells what a weights file is.
    """
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return may_be_run(what_is(path))
    return (path / PIPELINE).is_file()


def named(paths: Iterable[Path]) -> dict[str, Path]:
    """Each of ``paths`` under the shortest of its names that none before it has: see :func:`names_of`."""
    found: dict[str, Path] = {}
    for path in paths:
        found[next(name for name in names_of(path) if name not in found)] = path
    return found


def names_of(path: Path) -> tuple[str, str, str]:
    """What the model at ``path`` may be called: its name, the same behind its folder's, and all of the path."""
    short = display_name(path)
    return short, f"{path.parent.name}/{short}", str(path)


def resolve_model(value: str, files: Collection[Path]) -> Path:
    """The one of ``files`` that is the model called ``value``, which may also be a path of its own.

    Raises ``RequestError`` ("model.unknown"), or ``AppError``: what stands against the file of that name or at that
    absolute path, or ("model.none") that there is no model at all.
    """
    if found := _called(value, files):
        return found
    for path in files:
        if value in names_of(path) and path.is_file():
            return usable(path).path
    path = Path(value).expanduser()
    if value and ((path / PIPELINE).is_file() or path.is_file()):
        return path.absolute()
    if path.is_absolute() and os.path.lexists(path) and (problem := identify(path).problem):
        raise AppError(problem.id, **problem.values)
    first_model(files)
    raise RequestError("model.unknown", value=value, known=", ".join(_like(value, files)))


def name_of(path: Path, files: Collection[Path]) -> str:
    """The shortest name by which :func:`resolve_model` finds ``path``."""
    return next((name for name in names_of(path) if _called(name, files) == path), str(path))


def first_model(files: Iterable[Path]) -> Path:
    """The first model among ``files``. Raises ``AppError`` ("model.none")."""
    if found := next(filter(is_model, files), None):
        return found
    raise AppError("model.none")


def _called(value: str, files: Collection[Path]) -> Path | None:
    """What :func:`find_models` has under the name ``value``; looks only into files that share its name."""
    names = {path: names_of(path) for path in files}
    short = {own[0] for own in names.values() if value in own}
    return named(path for path, own in names.items() if own[0] in short and is_model(path)).get(value)


def _like(value: str, files: Collection[Path]) -> Iterator[str]:
    """Names of models, those most like ``value`` first; of thousands only the most alike are looked into."""
    names = named(files)
    alike = difflib.get_close_matches(value, names, MOST_SUGGESTED, cutoff=0.0)
    return (name for name in alike if is_model(names[name]))
