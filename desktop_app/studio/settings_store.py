"""The settings as they stand, with a signal for each change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop_app.core.messages import Message
from desktop_app.core.settings import BY_KEY, load_settings, save_settings
from desktop_app.studio.background import Background


class SettingsStore(QObject):
    """Values of :data:`desktop_app.core.settings.SETTINGS`, kept in one file."""

    changed = Signal(str)
    """Key of the setting that changed."""

    def __init__(self, path: Path, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._background = background
        self._values, self.load_problem = load_settings(path)

    load_problem: Message | None
    """Why the file could not be read at start, for the window to show; None when all was well."""

    def get(self, key: str) -> Any:
        return self._values[key]

    def set(self, key: str, value: Any) -> None:
        """Take and save a value. Raises ``ValueError`` for one that the setting does not accept."""
        if not BY_KEY[key].accepts(value):
            raise ValueError(f"{key} does not take {value!r}")
        if self._values[key] == value:
            return
        self._values[key] = value
        values = dict(self._values)
        self._background.run(lambda: save_settings(self._path, values))
        self.changed.emit(key)
