"""Settings, one row for each line of ``core.settings.SETTINGS``; every change counts at once."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.settings import SETTINGS, Setting
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.ui import theme
from desktop_app.ui.translate import translated, translated_label
from desktop_app.ui.widgets.calm import CalmComboBox, CalmSpinBox
from desktop_app.ui.widgets.labels import label
from desktop_app.ui.widgets.scroll import scrolling

NUMBER_WIDTH = 88
CAPTION_WIDTH = 152


class SettingsDialog(QDialog):
    """No OK and no Cancel: what is chosen is in force and saved."""

    def __init__(self, settings: SettingsStore, default_folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self._default_folder = default_folder
        self.setWindowTitle(self.tr("Settings"))
        self.resize(600, 680)
        self.editors: dict[str, QWidget] = {}
        self.problem = label("", "hint", wrap=True)
        page = QWidget()
        page.setProperty("role", "panel")
        grid = QGridLayout(page)
        grid.setContentsMargins(theme.XL, theme.L, theme.XL, theme.L)
        grid.setHorizontalSpacing(theme.L)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(1, 1)
        for setting in SETTINGS:
            if isinstance(setting.default, list):
                continue
            self._add_row(grid, setting)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        close = buttons.button(QDialogButtonBox.StandardButton.Close)
        close.setAccessibleName(close.text().replace("&", ""))
        close.setAutoDefault(False)
        close.setToolTip(self.tr("Close this window. Changes are saved already."))
        grid.setRowStretch(grid.rowCount(), 1)
        foot = QFrame()
        foot.setProperty("role", "foot")
        foot_row = QVBoxLayout(foot)
        foot_row.setContentsMargins(theme.XL, theme.M, theme.XL, theme.M)
        foot_row.addWidget(buttons)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(scrolling(page), 1)
        column.addWidget(foot)
        settings.changed.connect(self._show)

    def _add_row(self, grid: QGridLayout, setting: Setting) -> None:
        name = translated_label("settings", setting.label)
        help_text = translated_label("settings", setting.help)
        editor = self._editor(setting)
        editor.setAccessibleName(name)
        editor.setToolTip(help_text)
        self.editors[setting.key] = editor
        self._show(setting.key)
        caption = label(name, wrap=True)
        caption.setBuddy(editor)
        caption.setFixedWidth(CAPTION_WIDTH)
        row = grid.rowCount()
        grid.addWidget(caption, row, 0)
        if setting.key == "output_folder":
            grid.addLayout(self._with_folder_button(editor), row, 1)
        else:
            grid.addWidget(editor, row, 1)
        if setting.key == "file_name":
            grid.addWidget(self.problem, row + 1, 1)
            self.problem.hide()
        grid.addWidget(label(help_text, "muted", wrap=True), row + 2, 1)
        grid.setRowMinimumHeight(row + 3, theme.S)

    def _editor(self, setting: Setting) -> QWidget:
        key = setting.key
        if setting.choices:
            combo = CalmComboBox()
            for value, text in setting.choices:
                combo.addItem(translated_label("settings", text), value)
            combo.activated.connect(lambda row: self._settings.set(key, combo.itemData(row)))
            return combo
        if isinstance(setting.default, bool):
            box = QCheckBox(self.tr("On"))
            box.toggled.connect(lambda on: self._settings.set(key, on))
            return box
        if isinstance(setting.default, int):
            spin = CalmSpinBox()
            spin.setMaximumWidth(NUMBER_WIDTH)
            spin.setRange(int(setting.low or 0), int(setting.high or 0))
            spin.valueChanged.connect(lambda value: self._settings.set(key, value))
            return spin
        line = QLineEdit()
        if key == "file_name":
            line.textEdited.connect(self._template_edited)
        else:
            line.setPlaceholderText(str(self._default_folder))
            line.editingFinished.connect(lambda: self._settings.set(key, line.text().strip()))
        return line

    def _with_folder_button(self, editor: QWidget) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.S)
        choose = QPushButton(self.tr("Choose…"))
        choose.setAccessibleName(self.tr("Choose the output folder"))
        choose.setToolTip(self.tr("Choose the folder where pictures are saved."))
        choose.setAutoDefault(False)  # Return ends the typing of a value; it presses no button
        choose.clicked.connect(self._choose_folder)
        row.addWidget(editor, 1)
        row.addWidget(choose)
        return row

    @Slot(str)
    def _show(self, key: str) -> None:
        value, editor = self._settings.get(key), self.editors[key]
        if isinstance(editor, CalmComboBox):
            editor.setCurrentIndex(editor.findData(value))
        elif isinstance(editor, QCheckBox):
            editor.setChecked(value)
        elif isinstance(editor, CalmSpinBox):
            editor.setValue(value)
        elif isinstance(editor, QLineEdit) and editor.text() != value:
            editor.setText(value)

    @Slot(str)
    def _template_edited(self, template: str) -> None:
        """Only a template that works is kept; the other one is explained."""
        from desktop_app.export.names import check_template

        message = check_template(template)
        self.problem.setText(" ".join(translated(message)).strip() if message else "")
        self.problem.setVisible(message is not None)
        if message is None:
            self._settings.set("file_name", template)

    @Slot()
    def _choose_folder(self) -> None:
        now = self._settings.get("output_folder") or str(self._default_folder)
        folder = QFileDialog.getExistingDirectory(self, self.tr("Output folder"), now)
        if folder:
            self._settings.set("output_folder", folder)
