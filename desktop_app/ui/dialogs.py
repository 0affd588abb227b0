"""Opens the dialogs. Their modules are loaded with the first use, so that the window opens fast."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QWidget

from desktop_app.studio.job_queue import JobQueue
from desktop_app.studio.settings_store import SettingsStore

Kind = TypeVar("Kind", bound=QDialog)


class Dialogs(QObject):
    """Each dialog belongs to the window, blocks nothing behind it, and is thrown away when it closes."""

    def __init__(self, settings: SettingsStore, queue: JobQueue, default_folder: Path, window: QWidget) -> None:
        super().__init__(window)
        self._settings = settings
        self._queue = queue
        self._default_folder = default_folder
        self._window = window
        self.actions: Mapping[str, QAction] = {}
        """Of the window, for the list of shortcuts."""

    def open_settings(self) -> QDialog:
        from desktop_app.ui.settings_dialog import SettingsDialog

        return self._open(SettingsDialog(self._settings, self._default_folder, self._window))

    def open_shortcuts(self) -> QDialog:
        from desktop_app.ui.info_dialogs import ShortcutsDialog

        return self._open(ShortcutsDialog(self.actions.values(), self._window))

    def open_about(self) -> QDialog:
        from desktop_app.ui.info_dialogs import AboutDialog

        return self._open(AboutDialog(self._queue.engine_run, self._window))

    def _open(self, dialog: Kind) -> Kind:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog
