"""Enlarging, in the window: the check box before, one click afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop_app.core.events import Picture
from tests.scripted import frames
from tests.ui.conftest import FACTS, write_model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder of models: one that can enlarge 4 times."""
    write_model(tmp_path / "data" / "bundled" / "postcard", {**FACTS, "enlarge": 4})
    return tmp_path / "data" / "bundled"


@pytest.fixture
def row(stand):
    return stand.window.prompt_panel.enlarge_row


def details_button(stand):
    (button,) = [b for b in stand.window.side.details_panel.buttons.children() if _says_enlarge(b)]
    return button


def _says_enlarge(widget) -> bool:
    return hasattr(widget, "text") and "Enlarge" in widget.text()


def test_the_check_box_tells_the_final_size_and_reaches_the_request(stand, row, generate):
    assert row.isVisible()
    assert not row.box.isChecked()
    assert row.box.text() == "×4 · 256 × 256 px"
    stand.draft.set_size(96, 64)
    assert row.box.text() == "×4 · 384 × 256 px"
    row.box.click()
    assert stand.draft.request().enlarge == 4
    assert generate().finished[0].frames.shape == (1, 256, 384, 3)
    stand.draft.reset("enlarge")
    assert not row.box.isChecked()


def test_a_double_click_brings_the_models_choice_back(stand, row):
    row.box.click()
    QTest.mouseDClick(row.label, Qt.MouseButton.LeftButton)
    assert stand.draft.value("enlarge") == 1
    assert not row.box.isChecked()


def test_a_model_without_an_enlarger_shows_no_check_box_and_offers_no_click(qtbot, stand, row, generate):
    generate()
    facts = stand.paths.data / "bundled" / "postcard" / "safelight.json"
    facts.write_text(json.dumps(FACTS))
    stand.draft._models.refresh()
    qtbot.waitUntil(lambda: not row.isVisible(), timeout=5000)
    assert not stand.window.actions_by_id["enlarge"].isEnabled()
    assert not stand.window.status.enlarge.isVisible()


def test_before_there_is_a_picture_nothing_is_offered(stand, running):
    assert not stand.window.actions_by_id["enlarge"].isEnabled()
    assert not stand.window.status.enlarge.isVisible()
    running()
    assert not stand.window.status.enlarge.isVisible()


def test_one_click_enlarges_the_picture_in_front(qtbot, stand, generate):
    generate()
    window, small = stand.window, stand.window.viewer.shown
    assert window.status.enlarge.isVisible()
    assert window.status.enlarge.text() == details_button(stand).text() == "Enlarge ×4"
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        window.status.enlarge.click()
    assert stand.transport.requests[-1] == replace(small.result.request, enlarge=4)
    assert stand.transport.sources[-1] == Picture(0, frames(64, 64, 200), small.result)
    shown = window.viewer.shown
    assert (shown.image.width(), shown.image.height()) == (256, 256)
    assert shown.path != small.path
    assert stand.pictures.item(0).path == shown.path
    assert small.path.exists()


def test_an_enlarged_picture_is_not_offered_again_and_its_details_say_so(qtbot, stand, generate):
    generate()
    button = details_button(stand)
    assert button.isVisible()
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        button.click()
    assert not stand.window.actions_by_id["enlarge"].isEnabled()
    assert not stand.window.status.enlarge.isVisible()
    assert not button.isVisible()
    table = stand.window.side.details_panel
    assert ("Enlarged", "×4, to 256 × 256 px") in table._enlarged(stand.window.viewer.shown.result.request)


def test_a_picture_read_from_its_file_can_be_enlarged(qtbot, stand, generate):
    generate()
    first = stand.window.viewer.shown
    generate()
    stand.window.viewer.show_path(first.path)
    qtbot.waitUntil(lambda: stand.window.status.enlarge.isVisible(), timeout=5000)
    stand.window.canvas.setFocus()
    with qtbot.waitSignal(stand.queue.ended, timeout=5000):
        QTest.keyClick(stand.window.canvas, Qt.Key.Key_E)
    assert stand.transport.sources[-1].frames == frames(64, 64, 200)
    assert stand.transport.sources[-1].result == first.result


def test_a_picture_that_was_scaled_by_another_program_cannot(qtbot, stand, generate):
    generate()
    shown = stand.window.viewer.shown
    stand.window.viewer.picture = replace(shown, image=shown.image.scaled(32, 32))
    stand.window.viewer.changed.emit()
    assert not stand.window.actions_by_id["enlarge"].isEnabled()
    assert not stand.window.status.enlarge.isVisible()


def test_a_picture_of_a_model_that_is_gone_cannot(stand, generate):
    generate()
    shown = stand.window.viewer.shown
    gone = replace(shown.result, request=replace(shown.result.request, model="gone"))
    stand.window.viewer.picture = replace(shown, result=gone)
    stand.window.viewer.changed.emit()
    assert not stand.window.actions_by_id["enlarge"].isEnabled()
