"""One window for each data folder: a second start raises the first window and leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

_WAIT_MS = 2000


class SingleInstance(QObject):
    """Holds the lock of a data folder while it lives, and hears later starts."""

    raised = Signal()
    """Somebody started the program again."""

    def __init__(self, data: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = QLockFile(str(data / "window.lock"))
        self._lock.setStaleLockTime(0)  # stale only when its process is gone, never by age
        self._name = "safelight-" + hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:24]
        self._server: QLocalServer | None = None

    def take(self) -> bool:
        """Become the window of this data folder; False when another one is, which has then been asked to come up."""
        if not self._lock.tryLock(0):
            self._knock()
            return False
        QLocalServer.removeServer(self._name)  # left over from a crash: we hold the lock, so nobody listens
        self._server = server = QLocalServer(self)
        server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        server.newConnection.connect(self._heard)
        server.listen(self._name)
        return True

    def release(self) -> None:
        """Let the next start have the folder."""
        if self._server:
            self._server.close()
        self._lock.unlock()

    def _knock(self) -> None:
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if socket.waitForConnected(_WAIT_MS):
            socket.write(b"raise")
            socket.waitForBytesWritten(_WAIT_MS)
            socket.disconnectFromServer()

    @Slot()
    def _heard(self) -> None:
        while self._server and (socket := self._server.nextPendingConnection()):
            socket.disconnected.connect(socket.deleteLater)
            self.raised.emit()
