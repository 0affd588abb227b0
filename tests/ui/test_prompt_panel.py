"""The left column and the draft behind it."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop_app.core.request import MAX_SEED, RANDOM_SEED
from desktop_app.ui import theme
from tests.ui.conftest import FACTS, build, write_model


@pytest.fixture
def panel(stand):
    return stand.window.prompt_panel


def type_into(box, text: str) -> None:
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, text)
    QTest.keyClick(box, Qt.Key.Key_Return)


def test_it_starts_with_the_models_own_values(panel):
    assert panel.model.currentText() == "Postcard"
    assert panel.about.text() == "Draws landscapes."
    assert (panel.steps.value(), panel.guidance_scale.value(), panel.count.value()) == (4, 5.0, 1)
    assert panel.size_row.presets.currentText() == "64 × 64 px"
    assert panel.seed_row.box.text() == ""
    assert not panel.advanced.opened


def test_every_number_reaches_the_request(stand, panel):
    type_into(panel.steps.number, "9")
    type_into(panel.guidance_scale.number, "3.5")
    type_into(panel.count.number, "2")
    type_into(panel.seed_row.box, "1234")
    panel.scheduler.setCurrentIndex(panel.scheduler.findData("euler"))
    panel.scheduler.activated.emit(panel.scheduler.currentIndex())
    panel.schedule_type.activated.emit(panel.schedule_type.findData("karras"))
    QTest.keyClicks(panel.prompt, "a red house")
    panel.negative_fold.set_opened(True)
    QTest.keyClicks(panel.negative, "a tree")
    request = stand.draft.request()
    assert (request.steps, request.guidance_scale, request.count, request.seed) == (9, 3.5, 2, 1234)
    assert (request.scheduler, request.schedule_type) == ("euler", "karras")
    assert (request.prompt, request.negative_prompt) == ("a red house", "a tree")


def test_a_double_click_on_a_label_brings_the_models_value_back(stand, panel):
    stand.draft.set_value("steps", 30)
    QTest.mouseDClick(panel.steps.label, Qt.MouseButton.LeftButton)
    assert stand.draft.value("steps") == panel.steps.value() == 4


def test_custom_sizes_snap_and_the_box_shows_what_they_became(stand, panel):
    row = panel.size_row
    row.presets.activated.emit(row.presets.count() - 1)
    assert row.width_box.isVisible()
    type_into(row.width_box, "101")
    assert stand.draft.value("width") == row.width_box.value() == 104
    type_into(row.width_box, "103")
    assert row.width_box.value() == 104
    row.swap.click()
    assert (stand.draft.value("width"), stand.draft.value("height")) == (64, 104)
    QTest.mouseDClick(row.label, Qt.MouseButton.LeftButton)
    assert stand.draft.request().size == (64, 64)
    assert not row.width_box.isVisible()


def test_a_preset_sets_both_sides(stand, panel):
    panel.size_row.presets.activated.emit(1)
    assert stand.draft.request().size == (96, 64)
    assert panel.size_row.presets.currentText() == "96 × 64 px"


def test_seed_die_lock_and_reuse(stand, panel, generate):
    row = panel.seed_row
    assert not row.reuse.isEnabled()
    row.die.click()
    assert stand.draft.value("seed_locked")
    assert row.lock.isChecked()
    drawn = stand.draft.value("seed")
    assert row.box.text() == str(drawn)
    generate()
    assert stand.transport.requests[-1].seed == drawn
    row.lock.click()
    assert stand.draft.request().seed == RANDOM_SEED
    generate()
    used = stand.transport.requests[-1].seed
    assert row.box.text() == str(used)
    row.reuse.click()
    assert stand.draft.request().seed == used


def test_emptying_the_seed_unlocks_it_and_the_largest_fits(stand, panel):
    type_into(panel.seed_row.box, str(MAX_SEED))
    assert stand.draft.request().seed == MAX_SEED
    type_into(panel.seed_row.box, "9999999999999999999")
    assert stand.draft.request().seed == MAX_SEED
    panel.seed_row.box.setFocus()
    panel.seed_row.box.selectAll()
    QTest.keyClick(panel.seed_row.box, Qt.Key.Key_Delete)
    assert stand.draft.request().seed == RANDOM_SEED


def test_words_the_model_never_saw_are_marked_with_a_reason(stand, panel):
    QTest.keyClicks(panel.prompt, "a red dog and a house")
    marked = [selection.cursor.selectedText() for selection in panel.prompt.extraSelections()]
    assert marked == ["dog", "and"]
    assert panel.hint.isVisible()
    assert panel.hint.text() == "Postcard does not know “dog”, “and”."
    assert "Draws landscapes." in panel.hint.toolTip()
    stand.draft.set_value("prompt", "a red house")
    assert not panel.hint.isVisible()
    assert panel.prompt.extraSelections() == []


def tip_over(panel, word: str) -> str:
    """What the box explains while the pointer rests in the middle of ``word``."""
    cursor = panel.prompt.textCursor()
    cursor.setPosition(panel.prompt.toPlainText().index(word) + len(word) // 2)
    at = panel.prompt.viewport().mapTo(panel.prompt, panel.prompt.cursorRect(cursor).center())
    return panel.prompt.tip_at(QHelpEvent(QEvent.Type.ToolTip, at, panel.prompt.mapToGlobal(at)))


def test_a_synonym_is_marked_calmly_and_only_its_tooltip_tells(stand, panel):
    QTest.keyClicks(panel.prompt, "a red Cottage")
    (mark,) = panel.prompt.extraSelections()
    assert mark.cursor.selectedText() == "Cottage"
    assert mark.format.underlineColor() == theme.color("faint")
    assert not panel.hint.isVisible()
    assert tip_over(panel, "Cottage") == "Postcard draws “Cottage” as “house”."
    assert tip_over(panel, "red") == panel.prompt.accessibleDescription()
    QTest.keyClicks(panel.prompt, " a dog")
    assert panel.hint.text() == "Postcard does not know “dog”."
    looks = {mark.cursor.selectedText(): mark.format.underlineColor() for mark in panel.prompt.extraSelections()}
    assert looks == {"Cottage": theme.color("faint"), "dog": theme.color("warning")}
    assert tip_over(panel, "dog").startswith("Postcard does not know “dog”. Draws")


def test_marks_take_the_colours_of_another_theme(stand, panel):
    QTest.keyClicks(panel.prompt, "a dog")
    for choice, tokens in (("dark", theme.DARK), ("light", theme.LIGHT)):
        theme.apply_theme(QApplication.instance(), choice)
        (mark,) = panel.prompt.extraSelections()
        assert mark.format.underlineColor().name() == tokens.warning


def test_a_surprise_is_a_new_sentence_and_one_edit_that_can_be_undone(stand, panel):
    QTest.keyClicks(panel.prompt, "a green boat")
    panel.model.setFocus()
    shown = [panel.prompt.toPlainText()]
    for _ in range(30):
        QTest.mouseClick(panel.surprise, Qt.MouseButton.LeftButton)
        shown.append(panel.prompt.toPlainText())
        assert shown[-1] != shown[-2]
    assert stand.draft.value("prompt") == shown[-1]
    assert stand.draft.unknown_words() == []
    assert panel.prompt.hasFocus()
    for text in reversed(shown[:-1]):
        QTest.keyClick(panel.prompt, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        assert stand.draft.value("prompt") == panel.prompt.toPlainText() == text


def test_a_model_without_phrases_offers_no_surprise(tmp_path, transport, qtbot):
    write_model(tmp_path / "data" / "bundled" / "plain", {**FACTS, "surprise": []})
    stand = build(tmp_path / "data", transport)
    stand.window.show()
    assert stand.window.prompt_panel.prompt.isVisible()
    assert not stand.window.prompt_panel.surprise.isVisible()
    assert not stand.window.actions_by_id["surprise"].isEnabled()
    chips = [chip.text() for chip in stand.window.stage.welcome.chips.children() if hasattr(chip, "click")]
    assert "Surprise me" not in chips
    stand.close()


def test_the_window_starts_in_the_prompt(stand, panel):
    assert panel.prompt.hasFocus()
    QTest.keyClick(panel.prompt, Qt.Key.Key_Tab)
    assert panel.surprise.hasFocus()


def test_the_schedule_is_offered_only_where_there_is_a_choice(stand, panel):
    panel.advanced.set_opened(True)
    assert panel.schedule_type.isVisible()
    stand.draft.set_value("scheduler", "ddim")
    assert panel.scheduler.currentData() == "ddim"
    assert not panel.schedule_type.isVisible()


def test_clip_skip_reaches_as_far_as_the_model_has_layers(stand, panel, tmp_path):
    panel.advanced.set_opened(True)
    row = panel.advanced_rows.clip_skip
    assert not panel.advanced_rows.vae.isVisible()
    assert row.isVisible()
    assert row.number.maximum() == 12
    type_into(row.number, "2")
    assert stand.draft.request().clip_skip == 2
    QTest.mouseDClick(row.label, Qt.MouseButton.LeftButton)
    assert stand.draft.request().clip_skip == 1


def test_a_scheduler_with_few_steps_takes_the_steps_along(stand, panel):
    stand.draft.set_value("steps", 80)
    stand.draft.set_value("scheduler", "lcm")
    assert panel.steps.value() == 50
    assert panel.steps.number.maximum() == 50


def test_an_autoencoder_is_offered_only_where_there_is_one(tmp_path, transport, qtbot):
    folder = tmp_path / "data" / "bundled"
    write_model(folder / "postcard", FACTS)
    for part in (folder / "postcard" / "vae", folder / "other"):
        part.mkdir()
        (part / "config.json").write_text('{"_class_name": "AutoencoderKL", "latent_channels": 4}')
    stand = build(tmp_path / "data", transport)
    stand.window.show()
    panel = stand.window.prompt_panel
    panel.advanced.set_opened(True)
    vae = panel.advanced_rows.vae
    assert vae.isVisible()
    assert [vae.combo.itemText(place) for place in range(vae.combo.count())] == ["The model's own", "other"]
    vae.combo.activated.emit(1)
    assert stand.draft.request().vae == "other"
    stand.draft.set_value("vae", "gone")
    assert vae.combo.currentText() == "The model's own"
    stand.close()


def test_controls_a_model_does_not_know_are_not_shown(tmp_path, transport, qtbot):
    facts = {**FACTS, "controls": ["steps", "size", "seed"]}
    write_model(tmp_path / "data" / "bundled" / "plain", facts)
    stand = build(tmp_path / "data", transport)
    stand.window.show()
    panel = stand.window.prompt_panel
    shown = [part.isVisible() for part in (panel.steps, panel.size_row, panel.seed_row)]
    hidden = [part.isVisible() for part in (panel.negative_fold, panel.guidance_scale, panel.advanced, panel.count)]
    assert all(shown)
    assert not any(hidden)
    stand.close()


def test_another_model_brings_its_own_sizes(tmp_path, transport, qtbot):
    write_model(tmp_path / "data" / "bundled" / "a", FACTS)
    write_model(tmp_path / "data" / "bundled" / "b", {**FACTS, "name": "Other", "sizes": [[128, 128]], "defaults": {}})
    stand = build(tmp_path / "data", transport)
    stand.window.resize(1280, 800)
    stand.window.show()
    panel = stand.window.prompt_panel
    panel.model.activated.emit(panel.model.findData("b"))
    assert stand.draft.value("model") == "b"
    assert panel.size_row.presets.itemData(0) == (128, 128)
    assert stand.draft.request().size == (128, 128)
    stand.close()


def test_wild_text_is_taken_without_harm(stand, panel, generate):
    wild = "שלום 🌅 \u202eabc a\u0301 " + "word " * 500
    panel.prompt.insertPlainText(wild)
    assert stand.draft.value("prompt") == wild
    assert generate().state == "finished"
    assert stand.window.viewer.shown.result.request.prompt == wild
