"""The models that can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath

from PySide6.QtCore import QObject, Signal

from desktop_app.checkpoints.facts import read_model_facts
from desktop_app.checkpoints.finding import files_in, find_models
from desktop_app.checkpoints.lone_parts import Parts, find_parts
from desktop_app.checkpoints.refiners import with_refiners
from desktop_app.core.catalog import ModelFacts
from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.studio.background import Background

Scan = tuple[tuple[ModelFacts, ...], tuple[Message, ...]]


def scan_models(found: Mapping[str, Path], parts: Parts) -> Scan:
    """Facts of every model of ``found``, by name, that can be read, and what is wrong with the others.

    Each with what of ``parts`` fits it, and with those among them that can finish its pictures.
    """
    models, problems = [], []
    for name, path in found.items():
        try:
            models.append(read_model_facts(path, parts, name))
        except AppError as problem:
            problems.append(problem.message)
    return with_refiners(models), tuple(problems)


class ModelList(QObject):
    """Facts of all models in ``folders()``; the first folder holds the bundled ones and is read at once.

    At first the parts are known that lie where Safelight's own models do, those deeper down after the first refresh.
    """

    changed = Signal()
    looked = Signal()
    """The models were looked at again, whether anything changed or not."""

    def __init__(
        self, folders: Callable[[], Sequence[Path]], background: Background, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._folders = folders
        self._background = background
        self._seen: frozenset[Path] = frozenset()
        self.models, self.problems = scan_models(find_models(folders()[:1]), find_parts(files_in(folders(), deepest=1)))

    def refresh(self, found: Mapping[str, Path] | None = None) -> None:
        """Look at the models again, in the background: those that were ``found``, by name, or all in the folders."""
        folders = self._folders()

        def scan() -> tuple[Scan, frozenset[Path]]:
            models = find_models(folders) if found is None else found
            return scan_models(models, find_parts(files_in(folders))), frozenset(models.values())

        self._background.run(scan, self._take)

    def by_key(self, key: str) -> ModelFacts | None:
        return next((facts for facts in self.models if facts.key == key), None)

    def called(self, name: str) -> ModelFacts | None:
        """The model of that key, or else the only one that another program, which knows no folders, would call so."""
        alike = [facts for facts in self.models if PurePath(facts.key).name.casefold() == name.casefold()]
        return self.by_key(name) or (alike[0] if len(alike) == 1 else None)

    def at(self, path: Path) -> ModelFacts | None:
        """Facts of the model at ``path``, if it is one that can be chosen."""
        return next((facts for facts in self.models if Path(facts.folder) == path), None)

    def has_looked_at(self, path: Path) -> bool:
        """Whether the model at ``path`` was among those of the last refresh, whatever came of it."""
        return path in self._seen

    def _take(self, found: tuple[Scan, frozenset[Path]]) -> None:
        scan, self._seen = found
        if scan != (self.models, self.problems):
            self.models, self.problems = scan
            self.changed.emit()
        self.looked.emit()
