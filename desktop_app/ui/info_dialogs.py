"""Dialogs that only tell something: the shortcuts, and what this program is made of."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from PySide6.QtCore import Qt, qVersion
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

import desktop_app
from desktop_app.core.result import RunRecord
from desktop_app.ui import theme
from desktop_app.ui.widgets.info_table import InfoTable
from desktop_app.ui.widgets.labels import label


class ShortcutsDialog(QDialog):
    """All actions with their keys and what they do."""

    def __init__(self, actions: Iterable[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Shortcuts"))
        self.resize(780, 600)
        actions = list(actions)
        self.table = QTableWidget(len(actions), 3)
        self.table.setAccessibleName(self.tr("Shortcuts"))
        self.table.setToolTip(self.tr("All actions and their keys."))
        self.table.setHorizontalHeaderLabels([self.tr("Action"), self.tr("Keys"), self.tr("What it does")])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.verticalHeader().hide()
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        self.table.setWordWrap(False)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.table.verticalHeader().setDefaultSectionSize(theme.CONTROL_HEIGHT)
        for row, action in enumerate(actions):
            for column, text in enumerate((action.text(), _keys(action), action.toolTip())):
                self.table.setItem(row, column, QTableWidgetItem(text))
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.L, theme.L, theme.L, theme.L)
        column.addWidget(self.table)
        note = self.tr("Keys without Ctrl count while the picture or the strip has the focus, or nothing is typed.")
        column.addWidget(label(note, "muted", wrap=True))
        column.addWidget(_close_button(self))


class AboutDialog(QDialog):
    """Versions and licences; the engine's own versions once it is up."""

    def __init__(self, run: RunRecord | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("About Safelight"))
        self.setMinimumWidth(440)
        versions = InfoTable()
        pairs = {"Safelight": desktop_app.__version__, "Python": platform.python_version(), "Qt": qVersion()}
        if run:
            pairs |= {name: version for name, version in run.versions.items() if name != "safelight"}
            pairs[self.tr("Device")] = run.device_name
        versions.show_pairs(pairs.items())
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.XL, theme.XL, theme.XL, theme.L)
        column.setSpacing(theme.M)
        column.addWidget(label("Safelight", "title"))
        column.addWidget(
            label(self.tr("Makes pictures from words, on your own machine. Nothing you do leaves it."), wrap=True)
        )
        column.addWidget(versions)
        licences = self.tr(
            "Safelight is free software under the Apache License 2.0. It uses Qt under the GNU LGPL 3, torch under"
            " the BSD licence, and diffusers and transformers under the Apache License 2.0."
        )
        column.addWidget(label(licences, "muted", wrap=True))
        column.addStretch(1)
        column.addWidget(_close_button(self))


def _keys(action: QAction) -> str:
    native = QKeySequence.SequenceFormat.NativeText
    shown = [sequence.toString(native) for sequence in action.shortcuts()]
    return ", ".join(keys for keys in shown if not keys.endswith("Enter"))  # the number pad's twin of Return


def _close_button(dialog: QDialog) -> QDialogButtonBox:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    close = buttons.button(QDialogButtonBox.StandardButton.Close)
    close.setAccessibleName(close.text().replace("&", ""))
    close.setToolTip(dialog.tr("Close this window."))
    return buttons
