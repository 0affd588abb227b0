"""The folder in which a download grows, hidden beside where it will be, and what is remembered between starts.

``.<name>.part/`` holds ``download.json`` and ``files/``; a file that is not whole ends in ``.part``. Whoever holds its
``lock`` is the one process that works in it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from desktop_app.core.errors import AppError
from desktop_app.core.files import replace_file
from desktop_app.download.lock import take
from desktop_app.download.offer import Choice, choice_from_json, choice_to_json

VERSION = 1
_STATE, _FILES, _LOCK = "download.json", "files", "lock"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is, in bytes; ``total`` is None where no server says."""

    done: int
    total: int | None
    checking: bool = False
    """Whether it looks at files that are here, and fetches nothing."""


@dataclass(slots=True)
class Work:
    """One unfinished download. ``folder`` is the hidden one; its parent is where the result goes."""

    folder: Path
    choice: Choice
    link: str
    """Leads to the offer again."""
    title: str
    notes: Mapping[str, Any] = field(default_factory=dict)
    validators: dict[str, str] = field(default_factory=dict)
    """By path: what the server called the version of a file that has begun; only files without a digest need it."""

    def path(self, name: str) -> Path:
        """Where the file ``name`` of the choice grows."""
        return self.folder / _FILES / name

    @property
    def files(self) -> Path:
        return self.folder / _FILES

    def part(self, name: str) -> Path:
        """``path(name)`` while it is not whole."""
        whole = self.path(name)
        return whole.with_name(f"{whole.name}.part")

    def have(self, name: str) -> int:
        """Bytes of a file that are here."""
        return next((path.stat().st_size for path in (self.path(name), self.part(name)) if path.is_file()), 0)

    @property
    def progress(self) -> Progress:
        return Progress(sum(self.have(file.path) for file in self.choice.files), self.choice.size)

    def save(self) -> None:
        """Raises ``OSError``. The folder is for its owner alone: an address may hold a secret."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.files.mkdir(exist_ok=True)
        state = {
            "version": VERSION,
            "link": self.link,
            "title": self.title,
            "choice": choice_to_json(self.choice),
            "notes": dict(self.notes),
            "validators": self.validators,
        }
        replace_file(self.folder / _STATE, json.dumps(state, indent=1).encode())

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes out of the folder, which is made if need be. Raises ``AppError``, also if one is in."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = take(self.folder / _LOCK)
        except OSError as problem:
            raise self.unwritten(problem) from problem
        if lock is None:
            raise AppError("download.taken", model=self.title)
        try:
            yield
        finally:
            os.close(lock)
            if sys.platform == "win32" and not (self.folder / _STATE).exists():
                self.discard()  # there an open file, and so the lock, cannot be thrown away

    def discard(self) -> None:
        """Throw away all that has come so far. Only for those who are :meth:`alone`."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def cancel(self) -> None:
        """Throw away all that has come so far, unless another process is at it."""
        with suppress(AppError), self.alone():
            self.discard()

    def unwritten(self, problem: OSError) -> AppError:
        """What to say where the disk refuses."""
        to = self.folder.parent
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            return AppError("download.full", folder=str(to))
        return AppError("download.folder", folder=str(to), reason=problem.strerror or str(problem))


def begin(to: Path, choice: Choice, *, link: str, title: str, notes: Mapping[str, Any]) -> Work:
    """The work on ``choice`` in the folder ``to``: the one that was begun before, or a new one. Not saved yet."""
    for number in range(1, 1000):
        folder = to / (f".{choice.name}.part" if number == 1 else f".{choice.name}-{number}.part")
        before = read_work(folder)
        if before is not None and before.choice.same_as(choice):
            return Work(folder, choice, link, title, notes, before.validators)
        if before is None and not folder.exists():
            return Work(folder, choice, link, title, notes)
    raise AppError("download.folder", folder=str(to), reason="too many unfinished downloads of one name")


def read_work(folder: Path) -> Work | None:
    """What was begun in the hidden ``folder``; None if nothing was, or nobody can read what."""
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        if state["version"] != VERSION:
            return None
        choice = choice_from_json(state["choice"])
        return Work(folder, choice, state["link"], state["title"], dict(state["notes"]), dict(state["validators"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, AppError):
        return None
