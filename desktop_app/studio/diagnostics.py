"""The log, the hooks that fill it when something goes wrong, and the report a person can copy."""

from __future__ import annotations

import faulthandler
import logging
import logging.handlers
import platform
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler, qVersion

import desktop_app
from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.core.result import RunRecord

log = logging.getLogger("safelight")
_LOG_BYTES = 1_000_000
_REPORT_LINES = 60
_QT_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def start_log(path: Path, *, debug: bool) -> None:
    """Log to ``path`` (two files of 1 MB at most) and, with ``debug``, to the terminal."""
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True)
    ]
    if debug:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=handlers,
        force=True,
    )
    qInstallMessageHandler(_qt_message)


def keep_crash_trace(path: Path) -> TextIO:
    """Write a native crash of this process to ``path``; the file must stay open while the program runs."""
    file = path.open("a", encoding="utf-8")
    faulthandler.enable(file)
    return file


class ErrorDoor(QObject):
    """The second of the two doors (the first is the generation thread): exceptions that nobody caught.

    While :meth:`install` is in force they go to the log and, as a message, to the window through :attr:`error`.
    """

    error = Signal(object, str)
    """(Message, details)."""

    def install(self) -> None:
        sys.excepthook = self._hook
        threading.excepthook = self._thread_hook

    def uninstall(self) -> None:
        sys.excepthook = sys.__excepthook__
        threading.excepthook = threading.__excepthook__

    def _hook(self, kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, problem, trace)
            return
        log.error("uncaught", exc_info=(kind, problem, trace))
        if isinstance(problem, AppError):
            self.error.emit(problem.message, "")
        else:
            details = logging.Formatter().formatException((kind, problem, trace))
            self.error.emit(Message("engine.failed", {"reason": str(problem) or kind.__name__}), details)

    def _thread_hook(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self._hook(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)


def report(logs: Sequence[Path], run: RunRecord | None) -> str:
    """What a maintainer needs to know, for the clipboard: versions and the ends of ``logs``. Nothing is sent."""
    lines = [
        f"Safelight {desktop_app.__version__}",
        f"Python {platform.python_version()}, Qt {qVersion()}, {platform.platform()}",
    ]
    if run:
        lines.append(f"Engine: {run.device_name} ({run.device}, {run.precision}, {run.threads} threads)")
        lines.extend(f"{name} {version}" for name, version in run.versions.items())
    for path in logs:
        lines += ["", f"Last lines of {path.name}:", *_tail(path)]
    return "\n".join(lines)


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20_000))
            return file.read().decode("utf-8", "replace").splitlines()[-_REPORT_LINES:]
    except OSError:
        return ["(none)"]


def _qt_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    logging.getLogger("qt").log(_QT_LEVELS.get(kind, logging.WARNING), "%s", text)
