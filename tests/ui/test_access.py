"""Everybody can use it: names, tooltips, keys, focus, contrast, no colour outside the theme."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, Qt, QTranslator
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QHeaderView,
    QLineEdit,
    QPlainTextEdit,
    QScrollArea,
    QScrollBar,
    QWidget,
)

import desktop_app.ui
from desktop_app.core.messages import Message
from desktop_app.core.paths import resources_dir
from desktop_app.ui import theme
from desktop_app.ui.actions import ACTIONS, MENU, PICTURE_MENU, SUBMENUS
from desktop_app.ui.canvas import Canvas
from desktop_app.ui.main_window import COLUMNS
from tests.ui.conftest import build

INNER = (QComboBox, QAbstractSpinBox, QLineEdit)
"""Widgets of Qt's own that are made of others."""
INTERACTIVE = (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QAbstractItemView,
    Canvas,
)
SOURCES = sorted(Path(desktop_app.ui.__file__).parent.rglob("*.py"))


def interactive(root: QWidget) -> list[QWidget]:
    """Every widget a person can act on, without the inner parts of Qt's own widgets."""
    found = []
    for widget in root.findChildren(QWidget):
        inner = isinstance(widget.parent(), QComboBox | QAbstractSpinBox | QLineEdit) or widget.objectName().startswith(
            "qt_"
        )
        if isinstance(widget, INTERACTIVE) and not isinstance(widget, QScrollBar | QHeaderView) and not inner:
            popup = widget.window() is not root.window()
            if not popup:
                found.append(widget)
    return found


def unnamed(root: QWidget) -> list[str]:
    """Interactive widgets that a screen reader could not name, or that have no tooltip."""
    return [
        f"{type(widget).__name__} in {type(widget.parent()).__name__}: {widget.accessibleName()!r}"
        for widget in interactive(root)
        if not widget.accessibleName()
        or not (widget.toolTip() or widget.accessibleDescription() or isinstance(widget, Canvas))
    ]


def test_everything_in_the_window_has_a_name_and_a_tooltip(stand, generate, running):
    generate()
    running()
    stand.window.show_error(Message("model.none"))
    assert len(interactive(stand.window)) > 40
    assert unnamed(stand.window) == []


@pytest.mark.parametrize("opener", ["open_settings", "open_shortcuts", "open_about"])
def test_everything_in_the_dialogs_has_a_name_and_a_tooltip(stand, opener):
    dialog = getattr(stand.window.dialogs, opener)()
    assert isinstance(dialog, QDialog)
    assert dialog.windowTitle()
    assert interactive(dialog)
    assert unnamed(dialog) == []
    dialog.close()


def test_an_unnamed_button_would_be_found(qtbot):
    from PySide6.QtWidgets import QPushButton

    root = QWidget()
    qtbot.addWidget(root)
    QPushButton(root)
    assert unnamed(root) == ["QPushButton in QWidget: ''"]


def test_tab_visits_the_left_column_in_reading_order(stand):
    panel = stand.window.prompt_panel
    panel.prompt.setFocus()
    seen = []
    for _ in range(40):
        seen.append(QApplication.focusWidget())
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
    wanted = [
        *(panel.prompt, panel.negative_fold.heading, panel.model, panel.steps.slider, panel.steps.number),
        *(panel.guidance_scale.slider, panel.guidance_scale.number, panel.size_row.presets, panel.size_row.swap),
        *(panel.seed_row.box, panel.seed_row.die, panel.seed_row.lock),
        *(panel.count.slider, panel.count.number, panel.advanced.heading, panel.button),
    ]
    assert [widget for widget in seen if widget in wanted][: len(wanted)] == wanted


def test_labels_lead_to_their_controls(stand):
    panel = stand.window.prompt_panel
    assert panel.steps.label.buddy() is panel.steps.number
    assert panel.size_row.label.buddy() is panel.size_row.presets
    assert panel.seed_row.label.buddy() is panel.seed_row.box
    assert panel.model_label.buddy() is panel.model


# -- actions


def test_every_action_has_a_handler_words_and_its_keys_for_itself(stand):
    actions = stand.window.actions_by_id
    assert list(actions) == [facts.id for facts in ACTIONS]
    keys = [key.toString() for action in actions.values() for key in action.shortcuts()]
    assert len(keys) == len(set(keys))
    assert all(action.text() and action.toolTip().endswith(".") for action in actions.values())
    inside = [id for _, ids in SUBMENUS.values() for id in ids]
    assert {*MENU, *PICTURE_MENU, *inside} - {"", "theme", *SUBMENUS} <= set(actions)


def test_every_action_can_be_found_in_a_menu_or_has_a_key():
    for facts in ACTIONS:
        assert facts.keys or facts.id in MENU, facts.id


def test_the_shortcuts_dialog_lists_them_all(stand):
    dialog = stand.window.dialogs.open_shortcuts()
    listed = {dialog.table.item(row, 0).text() for row in range(dialog.table.rowCount())}
    assert listed == {facts.text for facts in ACTIONS}
    dialog.close()


def test_the_window_menu_opens_by_key_and_reaches_the_themes(stand):
    texts = [action.text() for action in stand.window.menu.actions() if action.text()]
    assert [text for text in texts if text in ("Prompt", "Picture", "Film", "View", "Theme")] == [
        *(text for text, _ in SUBMENUS.values()),
        "Theme",
    ]
    theme_action = next(action for action in stand.window.menu.actions() if action.text() == "Theme")
    dark = next(action for action in theme_action.menu().actions() if action.text() == "Dark")
    dark.trigger()
    assert stand.settings.get("theme") == "dark"
    assert dark.isChecked()


# -- theme


def luminance(colour: str) -> float:
    """WCAG 2.2 relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("tokens", [theme.DARK, theme.LIGHT], ids=["dark", "light"])
def test_text_is_readable(tokens):
    for back in (tokens.panel, tokens.window, tokens.raised):
        for text in (tokens.text, tokens.muted):
            assert contrast(text, back) >= 4.5, (text, back)
    for text in (tokens.accent, tokens.good, tokens.warning, tokens.error):
        assert contrast(text, tokens.panel) >= 4.5, text
    assert contrast(tokens.muted, tokens.surround) >= 4.5
    assert contrast(tokens.on_accent, tokens.accent) >= 4.5
    assert contrast(tokens.on_accent, tokens.accent_hover) >= 4.5
    red, green, blue = (int(tokens.surround[i : i + 2], 16) for i in (1, 3, 5))
    assert max(red, green, blue) - min(red, green, blue) <= 4


def test_the_theme_changes_the_whole_window_at_once(stand):
    app = QApplication.instance()
    seen = {}
    for choice, tokens in (("dark", theme.DARK), ("light", theme.LIGHT)):
        theme.apply_theme(app, choice)
        image = stand.window.grab().toImage()
        seen[choice] = image.pixelColor(4, image.height() - 4).name()
        assert theme.tokens() is tokens
        assert seen[choice] == tokens.panel
    assert seen["dark"] != seen["light"]


def test_the_style_sheet_is_filled_in_completely():
    for tokens in (theme.DARK, theme.LIGHT):
        sheet = theme.style_sheet(tokens)
        assert "@" not in sheet
        for path in re.findall(r'url\("([^"]+)"\)', sheet):
            assert Path(path).is_file(), path


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name != "theme.py"], ids=lambda path: path.stem)
def test_widgets_carry_no_colours_of_their_own(path):
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"#[0-9a-fA-F]{6}\b|setStyleSheet|QColor\(|Qt\.GlobalColor\.(?!transparent)", source)


def test_every_icon_named_in_the_code_is_there_and_drawn_in_the_house_style():
    icons = {path.stem: path.read_text(encoding="utf-8") for path in (resources_dir() / "icons").glob("*.svg")}
    named = set()
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        makers = "IconButton|icon|dress|_icon_button|_push_button|show_icon"
        named |= set(re.findall(rf'(?:{makers})\(\s*"([a-z-]+)"', source))
        named |= set(re.findall(r'paint_icon\(painter, "([a-z-]+)"', source))
    assert len(named) > 12
    assert named <= set(icons)
    for name in named:
        assert 'viewBox="0 0 20 20"' in icons[name], name
        assert 'stroke-width="1.6"' in icons[name], name
        assert "currentColor" in icons[name], name


# -- languages


class Pseudo(QTranslator):
    """Every text a third longer and in brackets, as German would be."""

    def isEmpty(self) -> bool:  # noqa: N802 (Qt's name)
        return False

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str:
        return f"[{source}{'~' * (len(source) // 3)}]" if source else ""


def test_every_text_in_the_window_can_be_translated(qtbot, tmp_path, models, transport):
    pseudo = Pseudo()
    QCoreApplication.installTranslator(pseudo)
    try:
        stand = build(tmp_path / "data", transport)
        stand.window.resize(1280, 800)
        stand.window.show()
        buttons = [b.text() for b in stand.window.findChildren(QAbstractButton) if b.text()]
        names = [widget.accessibleName() for widget in interactive(stand.window)]
        tips = [widget.toolTip() for widget in interactive(stand.window) if widget.toolTip()]
        examples = {"a red house", "a blue boat", "a green tree"}
        assert len(names) > 30
        for text in (*buttons, *names, *tips):
            assert "[" in text or text in examples, text
        scroll = stand.window.prompt_panel.findChild(QScrollArea)
        stand.window.prompt_panel.size_row.presets.activated.emit(2)
        assert scroll.widget().minimumSizeHint().width() <= COLUMNS[0] - 10, "the first width, less the scroll bar"
        stand.close()
    finally:
        QCoreApplication.removeTranslator(pseudo)
