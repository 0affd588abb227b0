"""How many connections the program has made, and the switch that forbids them."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from desktop_app.core import network
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.ui import theme
from desktop_app.ui.widgets.labels import label

LOOK_MS = 1000


class Connections(QWidget):
    """Looks at the counter while it can be seen."""

    def __init__(self, settings: SettingsStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.count = label("", "muted")
        self.count.setToolTip(self.tr("Every connection of this program since it was started, wherever to."))
        self.offline = QCheckBox(self.tr("Offline"))
        self.offline.setProperty("role", "muted")
        self.offline.setAccessibleName(self.tr("Offline"))
        self.offline.setToolTip(self.tr("Forbid every connection. What is downloading stops, and can go on later."))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.M)
        row.addWidget(self.count)
        row.addWidget(self.offline)
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self._look)
        self.offline.toggled.connect(lambda on: settings.set("offline", on))
        settings.changed.connect(self._setting_changed)
        self._setting_changed("offline")
        self._look()

    @Slot()
    def _look(self) -> None:
        made = network.connections()
        self.count.setText(self.tr("1 connection") if made == 1 else self.tr("%n connections", "", made))

    @Slot(str)
    def _setting_changed(self, key: str) -> None:
        if key == "offline":
            self.offline.setChecked(self._settings.get("offline"))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        super().showEvent(event)
        self._look()
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 (Qt's name)
        super().hideEvent(event)
        self._timer.stop()
