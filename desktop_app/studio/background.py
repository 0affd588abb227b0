"""File work off the GUI thread: results come back to the main thread, writes of one file never overtake each other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from desktop_app.core.errors import AppError
from desktop_app.core.files import replace_file

log = logging.getLogger(__name__)


class Background(QObject):
    """Runs small pieces of work on one helper thread, in order."""

    failed = Signal(object)
    """Message: a write or read that the user should know about went wrong."""
    _done = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background")
        self._pending: dict[Path, bytes] = {}
        self._closed = False
        self._done.connect(self._deliver)

    def run(self, work: Callable[[], Any], then: Callable[[Any], None] | None = None) -> None:
        """Do ``work`` on the helper thread, then call ``then`` with its value on this object's thread.

        An ``AppError`` goes to :attr:`failed` instead; anything else is raised on this object's thread. What is asked
        after the end, by an engine that says good-bye while the program closes, is not begun.
        """
        if self._closed:
            return
        self._pool.submit(self._work, work, then)

    def write(self, path: Path, data: bytes) -> None:
        """Replace ``path`` with ``data``; a newer write of the same path that is still waiting takes its place."""
        waiting = path in self._pending
        self._pending[path] = data
        if not waiting:
            self._pool.submit(self._work, lambda: self._write(path), None)

    def close(self) -> None:
        """Finish what is waiting; afterwards nothing may be written."""
        self._closed = True
        self._pool.shutdown(wait=True)

    def _write(self, path: Path) -> None:
        data = self._pending.pop(path)
        try:
            replace_file(path, data)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise AppError("save.folder", folder=str(path.parent), reason=reason) from problem

    def _work(self, work: Callable[[], Any], then: Callable[[Any], None] | None) -> None:
        try:
            value = work()
        except BaseException as problem:  # carried to the main thread, where the exception hook sees it
            self._done.emit(None, problem)
        else:
            if then is not None:
                self._done.emit(then, value)

    @Slot(object, object)
    def _deliver(self, then: Callable[[Any], None] | None, value: Any) -> None:
        if then is not None:
            then(value)
        elif isinstance(value, AppError):
            log.warning("%s", value)
            self.failed.emit(value.message)
        else:
            raise value
