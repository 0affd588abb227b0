"""Where the window was and what was folded, kept between starts."""

from __future__ import annotations

import base64
from typing import Any

from PySide6.QtCore import QByteArray, QObject, QSize, QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMainWindow, QSplitter

from desktop_app.studio.window_state import WindowState
from desktop_app.ui.folding import Folding
from desktop_app.ui.widgets.fold import Fold

SMALLEST = QSize(720, 520)
FIRST_SIZE = QSize(1280, 800)
SAVE_AFTER_MS = 500


class WindowMemory(QObject):
    """Restores the window at once, and saves it a moment after each change."""

    def __init__(
        self, window: QMainWindow, splitter: QSplitter, folding: Folding, advanced: Fold, state: WindowState
    ) -> None:
        super().__init__(window)
        self._window, self._splitter, self._folding = window, splitter, folding
        self._advanced, self._state = advanced, state
        self._closed = False
        self._timer = QTimer(self, singleShot=True, interval=SAVE_AFTER_MS)
        self._timer.timeout.connect(self.save)
        self._restore(state.load())
        splitter.splitterMoved.connect(self.save_soon)
        folding.changed.connect(self.save_soon)
        advanced.toggled.connect(self.save_soon)

    @Slot()
    def save_soon(self) -> None:
        if not self._closed:
            self._timer.start()

    def close(self) -> None:
        """Write the state for the last time."""
        self.save()
        self._closed = True

    @Slot()
    def save(self) -> None:
        """Write the state as it is."""
        self._timer.stop()
        geometry = base64.b64encode(self._window.saveGeometry().data()).decode()
        folds = {**self._folding.chosen, "advanced": self._advanced.opened}
        self._state.save({"geometry": geometry, "splitter": self._splitter.sizes(), **folds})

    def _restore(self, state: dict[str, Any]) -> None:
        available = self._window.screen().availableSize()
        self._window.setMinimumSize(SMALLEST)
        self._window.resize(FIRST_SIZE.boundedTo(available * 0.95).expandedTo(SMALLEST))
        geometry, sizes = state.get("geometry"), state.get("splitter")
        if isinstance(geometry, str):
            self._restore_geometry(geometry)
        if isinstance(sizes, list) and len(sizes) == 3 and all(isinstance(size, int) for size in sizes):
            self._splitter.setSizes(sizes)
        for name in self._folding.chosen:
            self._folding.chosen[name] = state.get(name, True) is True
        self._advanced.set_opened(state.get("advanced") is True)
        self._folding.set_width(self._window.width())

    def _restore_geometry(self, text: str) -> None:
        """Take the old place, unless the screen it was on is gone."""
        before = self._window.geometry()
        self._window.restoreGeometry(QByteArray.fromBase64(QByteArray(text.encode("ascii", "replace"))))
        now = self._window.geometry()
        if not any(screen.geometry().intersects(now) for screen in QGuiApplication.screens()):
            self._window.setGeometry(before)
