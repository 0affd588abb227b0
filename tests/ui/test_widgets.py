"""The small parts by themselves."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QTextCharFormat, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget

from desktop_app.ui.widgets.calm import CalmComboBox
from desktop_app.ui.widgets.chip import Chip
from desktop_app.ui.widgets.flow_layout import FlowLayout
from desktop_app.ui.widgets.fold import Fold
from desktop_app.ui.widgets.info_table import InfoTable
from desktop_app.ui.widgets.labelled_slider import LabelledSlider
from desktop_app.ui.widgets.labels import ElidedLabel, breakable
from desktop_app.ui.widgets.prompt_edit import MOST_LINES, Mark, PromptEdit
from desktop_app.ui.widgets.wrapping_text import WrappingText


def turn_wheel(widget: QWidget, notches: int) -> None:
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        widget.mapToGlobal(middle),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)


@pytest.fixture
def steps(qtbot) -> LabelledSlider:
    slider = LabelledSlider("Steps", "How often.", usual=(1, 60))
    qtbot.addWidget(slider)
    slider.set_limits(1, 1000)
    slider.set_value(20)
    slider.show()
    slider.activateWindow()
    return slider


def test_a_typed_number_may_leave_the_slider_behind(steps):
    edited = []
    steps.edited.connect(edited.append)
    steps.number.selectAll()
    QTest.keyClicks(steps.number, "400")
    QTest.keyClick(steps.number, Qt.Key.Key_Return)
    assert edited == [400]
    assert steps.slider.value() == steps.slider.maximum() == 60
    assert steps.value() == 400


def test_a_value_set_by_the_program_is_not_an_edit(steps):
    edited = []
    steps.edited.connect(edited.append)
    steps.set_value(33)
    steps.set_limits(1, 50)
    assert edited == []
    assert (steps.slider.value(), steps.number.value()) == (33, 33)


def test_the_wheel_changes_a_value_only_with_focus(qtbot, steps):
    steps.slider.clearFocus()
    turn_wheel(steps.slider, 1)
    turn_wheel(steps.number, 1)
    assert steps.value() == 20
    steps.number.setFocus()
    qtbot.waitUntil(steps.number.hasFocus)
    turn_wheel(steps.number, 1)
    assert steps.value() == 21


def test_arrow_keys_move_the_slider_and_a_double_click_asks_for_the_default(qtbot, steps):
    QTest.keyClick(steps.slider, Qt.Key.Key_Right)
    assert steps.value() == 21
    with qtbot.waitSignal(steps.reset):
        QTest.mouseDClick(steps.label, Qt.MouseButton.LeftButton)


def test_half_steps_are_shown_without_idle_zeros(qtbot):
    guidance = LabelledSlider("Guidance", "How close.", usual=(1, 15), step=0.5)
    qtbot.addWidget(guidance)
    guidance.set_limits(0, 100)
    for value, text in ((5.0, "5"), (7.5, "7.5"), (7.25, "7.25")):
        guidance.set_value(value)
        assert guidance.number.text() == text
    edited = []
    guidance.edited.connect(edited.append)
    guidance.slider.setValue(9)
    assert edited == [4.5]


def test_the_prompt_grows_to_six_lines_and_no_further(qtbot):
    box = PromptEdit("Prompt", "Say it.", least_lines=3)
    qtbot.addWidget(box)
    box.resize(280, 60)
    box.show()
    heights = []
    for lines in (1, 3, 5, MOST_LINES, 20):
        box.set_text("\n".join(["word"] * lines))
        QApplication.processEvents()
        heights.append(box.height())
    assert heights[0] == heights[1] < heights[2] < heights[3] == heights[4]


def test_setting_the_prompt_can_be_undone_in_the_box(qtbot):
    box = PromptEdit("Prompt", "Say it.", least_lines=3)
    qtbot.addWidget(box)
    QTest.keyClicks(box, "typed")
    box.set_text("from a recipe")
    box.undo()
    assert box.toPlainText() == "typed"


def test_marked_words_are_found_behind_characters_outside_the_basic_plane(qtbot):
    box = PromptEdit("Prompt", "Say it.", least_lines=3)
    qtbot.addWidget(box)
    text = "🌅🌅 a dog"
    box.set_text(text)
    box.mark([Mark(text.index("dog"), 3, "warning", "unknown")])
    (selection,) = box.extraSelections()
    assert selection.cursor.selectedText() == "dog"
    assert selection.format.underlineStyle() == QTextCharFormat.UnderlineStyle.DotLine


def test_a_fold_hides_its_body(qtbot):
    body = QLabel("inside")
    fold = Fold("More", "Show more.", body)
    qtbot.addWidget(fold)
    fold.show()
    assert body.isVisible()
    with qtbot.waitSignal(fold.toggled):
        QTest.mouseClick(fold.heading, Qt.MouseButton.LeftButton)
    assert not body.isVisible()
    fold.set_opened(True)
    assert body.isVisible()


def test_an_elided_label_tells_all_of_it_in_its_tooltip(qtbot):
    label = ElidedLabel("a rather long sentence that has no room here")
    qtbot.addWidget(label)
    label.resize(60, 20)
    label.grab()
    assert label.toolTip() == label.text()
    label.resize(900, 20)
    label.grab()
    assert label.toolTip() == ""


def test_flow_wraps_keeps_inside_and_leaves_hidden_ones_out(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    flow = FlowLayout(page, spacing=4)
    buttons = [QPushButton(f"button {number}") for number in range(4)]
    for button in buttons:
        flow.addWidget(button)
    page.resize(buttons[0].sizeHint().width() * 2 + 8, 400)
    page.show()
    assert buttons[0].y() == buttons[1].y() < buttons[2].y() == buttons[3].y()
    assert all(page.rect().contains(button.geometry()) for button in buttons)
    buttons[1].hide()
    QApplication.processEvents()
    assert buttons[0].y() == buttons[2].y() < buttons[3].y()


def test_the_info_table_shows_pairs_that_can_be_selected(qtbot):
    table = InfoTable()
    qtbot.addWidget(table)
    table.show_pairs([("Seed", "7"), ("Folder", "/a/very/long/path/without/any/space")])
    names = {widget.accessibleName() for widget in table.findChildren(QWidget)}
    assert {"Seed: 7", "Folder: /a/very/long/path/without/any/space"} <= names
    assert table.text() == "Seed: 7\nFolder: /a/very/long/path/without/any/space"


def test_a_chip_gives_way_but_keeps_its_sentence(qtbot):
    chip = Chip("a purple castle on the left in snowy mountains at night with a full moon")
    qtbot.addWidget(chip)
    chip.resize(chip.sizeHint())
    assert chip.shown_text() == chip.text()
    chip.resize(chip.minimumSizeHint())
    assert chip.shown_text().endswith("…")
    assert chip.text().endswith("full moon")
    assert not chip.grab().isNull()


def test_a_combo_box_cuts_what_has_no_room_and_its_list_does_not(qtbot):
    box = CalmComboBox()
    qtbot.addWidget(box)
    box.addItems(["short", "stable-diffusion-of-somebody-v8-final-pruned-fp16"])
    box.setFixedWidth(160)
    box.show()
    assert box.shown_text() == "short"
    box.setCurrentIndex(1)
    assert box.shown_text().startswith("stable")
    assert "…" in box.shown_text()
    box.showPopup()
    assert box.view().width() > box.width()
    box.hidePopup()


def test_long_names_have_places_to_break():
    assert breakable("The file a_b.safetensors is cut off.") == "The file a_b.safetensors is cut off."
    name = "Realistic_Vision_V6.0_B1_noVAE.safetensors"
    broken = breakable(f"The file {name} is cut off.")
    assert broken.replace("\u200b", "") == f"The file {name} is cut off."
    assert max(len(piece) for piece in broken.replace("\u200b", " ").split()) < 15


def test_a_path_wraps_and_is_copied_as_it_is(qtbot):
    path = "/home/somebody/models/Stable-diffusion/a/folder/in/a/folder/of/a/folder"
    text = WrappingText(path)
    qtbot.addWidget(text)
    text.resize(160, 20)
    text.show()
    assert text.height() >= 3 * text.fontMetrics().height()
    text.selectAll()
    text.copy()
    assert QApplication.clipboard().text() == path
