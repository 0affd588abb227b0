"""One pickled file written anew as safetensors, by ``models convert`` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal, Slot

from desktop_app.core.messages import Message
from desktop_app.studio.child import console_python, environment

_PATIENCE_MS = 3000


class Conversion(QObject):
    """Runs one at a time. A person has agreed to have the file read."""

    progressed = Signal()
    """:attr:`file` or :attr:`done` has changed."""
    finished = Signal(object)
    """Path of the new file."""
    failed = Signal(object)
    """Message."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.file: Path | None = None
        """What is being converted."""
        self.done = 0.0
        """Part of it that is written."""
        self._written: Path | None = None
        self._process = QProcess(self)
        values = QProcessEnvironment()
        for name, value in environment().items():
            values.insert(name, value)
        self._process.setProcessEnvironment(values)
        if os.name == "posix":  # a program started in the background ignores SIGINT, and so would its children
            self._process.setUnixProcessParameters(QProcess.UnixProcessFlag.ResetSignalHandlers)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._end)
        self._process.errorOccurred.connect(self._could_not)

    def start(self, file: Path) -> None:
        """Begin with ``file``, unless another one is being converted."""
        if self.file is not None:
            return
        self.file, self.done, self._written = file, 0.0, None
        arguments = ["-m", "desktop_app", "models", "convert", str(file), "--json", "--trust-pickle"]
        self._process.start(console_python(), arguments)
        self.progressed.emit()

    def stop(self) -> None:
        """End it, if it runs; nothing of it is left behind."""
        if self.file is None:
            return
        self._process.blockSignals(True)
        if os.name == "posix" and (process := self._process.processId()):
            os.kill(process, signal.SIGINT)  # lets it take its unfinished file away
            self._process.waitForFinished(_PATIENCE_MS)
        self._process.kill()
        self._process.waitForFinished(_PATIENCE_MS)
        self.file = None

    @Slot()
    def _read(self) -> None:
        while self._process.canReadLine():
            told = json.loads(bytes(self._process.readLine().data()))
            self.done = told.get("done", 1.0)
            self._written = Path(told["path"]) if "path" in told else None
        self.progressed.emit()

    @Slot()
    def _end(self) -> None:
        self._read()
        file, self.file = self.file, None
        self.progressed.emit()
        if self._written is not None:
            self.finished.emit(self._written)
        elif file is not None:
            said = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
            lines = said.strip().splitlines()
            reason = lines[-1].removesuffix(".") if lines else str(self._process.exitCode())
            self.failed.emit(Message("convert.failed", {"file": file.name, "reason": reason}))

    @Slot(QProcess.ProcessError)
    def _could_not(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self.file is not None:
            reason, name = self._process.errorString().removesuffix("."), self.file.name
            self.file = None
            self.failed.emit(Message("convert.failed", {"file": name, "reason": reason}))
