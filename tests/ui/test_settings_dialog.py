"""The settings, live."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QSpinBox

from desktop_app.core.settings import SETTINGS

EDITED = [setting for setting in SETTINGS if not isinstance(setting.default, list)]
"""The Models workspace is the editor of the lists."""


@pytest.fixture
def dialog(stand):
    dialog = stand.window.dialogs.open_settings()
    yield dialog
    dialog.close()


def test_every_setting_has_an_editor_that_shows_its_value(stand, dialog):
    assert set(dialog.editors) == {setting.key for setting in EDITED}
    assert dialog.editors["format"].currentData() == stand.settings.get("format")
    assert dialog.editors["quality"].value() == stand.settings.get("quality")
    assert dialog.editors["metadata"].isChecked() is stand.settings.get("metadata")
    assert dialog.editors["file_name"].text() == stand.settings.get("file_name")


def test_every_editor_changes_its_setting_at_once_and_in_the_file(qtbot, stand, dialog):
    changed = {}
    for key, editor in dialog.editors.items():
        if isinstance(editor, QComboBox):
            last = editor.count() - 1
            editor.activated.emit(last)
            changed[key] = editor.itemData(last)
        elif isinstance(editor, QCheckBox):
            editor.click()
            changed[key] = editor.isChecked()
        elif isinstance(editor, QSpinBox):
            editor.setValue(editor.maximum())
            changed[key] = editor.maximum()
        else:
            editor.selectAll()
            QTest.keyClicks(editor, "somewhere-{seed}" if key == "file_name" else "/tmp/somewhere")
            QTest.keyClick(editor, Qt.Key.Key_Return)
            changed[key] = editor.text()
    assert len(changed) == len(EDITED)
    assert {key: stand.settings.get(key) for key in changed} == changed
    file = stand.paths.settings
    qtbot.waitUntil(lambda: file.exists() and changed.items() <= json.loads(file.read_text()).items())


def test_a_file_name_that_cannot_work_is_explained_and_not_taken(stand, dialog):
    before = stand.settings.get("file_name")
    editor = dialog.editors["file_name"]
    editor.selectAll()
    QTest.keyClicks(editor, "{nonsense")
    assert "braces" in dialog.problem.text()
    assert not dialog.problem.isHidden()
    assert stand.settings.get("file_name") == before
    editor.selectAll()
    QTest.keyClicks(editor, "{seed}")
    assert dialog.problem.isHidden()
    assert stand.settings.get("file_name") == "{seed}"


def test_a_setting_changed_elsewhere_shows_here(stand, dialog):
    stand.settings.set("theme", "dark")
    assert dialog.editors["theme"].currentData() == "dark"
    stand.settings.set("metadata", False)
    assert not dialog.editors["metadata"].isChecked()


def test_about_names_versions_and_the_device(stand):
    about = stand.window.dialogs.open_about()
    names = [child.accessibleName() for child in about.findChildren(QLabel)]
    assert "Device: Scripted" in names
    about.close()
