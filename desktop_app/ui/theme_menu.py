"""The themes as a submenu; the choice is the setting "theme"."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu

from desktop_app.core.settings import BY_KEY
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.ui.translate import translated_label


def theme_menu(settings: SettingsStore, parent: QMenu) -> QMenu:
    """One entry for each choice of the setting; the one in force is checked."""
    menu = QMenu(QCoreApplication.translate("actions", "Theme"), parent)
    group = QActionGroup(menu)
    by_value = {}
    for value, text in BY_KEY["theme"].choices:
        action = by_value[value] = menu.addAction(translated_label("settings", text))
        action.setCheckable(True)
        action.setChecked(settings.get("theme") == value)
        action.triggered.connect(lambda _=False, value=value: settings.set("theme", value))
        group.addAction(action)
    settings.changed.connect(lambda key: by_value[settings.get("theme")].setChecked(True))
    return menu
