"""Pictures and films in the left column."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.ui.test_access import unnamed
from tests.ui.test_prompt_panel import type_into


@pytest.fixture
def panel(film_stand):
    return film_stand.window.prompt_panel


def shown(panel) -> list[str]:
    """Names of the film rows that can be seen."""
    return [name for name, row in panel.film._rows().items() if row.isVisible()]


def test_the_switch_is_there_only_where_there_is_a_choice(film_stand, panel):
    assert panel.kind.isVisible()
    assert panel.kind.buttons["picture"].isChecked()
    assert shown(panel) == []
    for model in ("pictures", "video"):
        film_stand.draft.set_value("model", model)
        assert not panel.kind.isVisible()


def test_a_click_on_film_brings_its_controls_and_a_click_on_picture_takes_them_away(film_stand, panel):
    QTest.mouseClick(panel.kind.buttons["film"], Qt.MouseButton.LeftButton)
    assert film_stand.draft.value("kind") == "film"
    assert shown(panel) == ["frames", "fps", "loop", "motion_model"]
    assert panel.film.length.isVisible()
    QTest.mouseClick(panel.kind.buttons["picture"], Qt.MouseButton.LeftButton)
    assert film_stand.draft.value("kind") == "picture"
    assert shown(panel) == []


def test_the_arrow_keys_choose_the_kind(film_stand, panel):
    buttons = panel.kind.buttons
    panel.negative_fold.heading.setFocus()
    QTest.keyClick(panel.negative_fold.heading, Qt.Key.Key_Tab)
    assert buttons["picture"].hasFocus()
    QTest.keyClick(buttons["picture"], Qt.Key.Key_Right)
    assert buttons["film"].hasFocus()
    assert film_stand.draft.value("kind") == "film"
    QTest.keyClick(buttons["film"], Qt.Key.Key_Left)
    assert film_stand.draft.value("kind") == "picture"
    QTest.keyClick(buttons["picture"], Qt.Key.Key_Tab)
    assert panel.start.choose.hasFocus(), "one stop for both"


def test_the_words_say_what_is_made(film_stand, panel):
    welcome = film_stand.window.stage.welcome
    film_stand.draft.set_value("kind", "film")
    assert panel.prompt.placeholderText() == welcome.title.text() == "What shall the film show?"
    assert (panel.button.text(), panel.button.accessibleName()) == ("Generate film", "Generate film")
    assert panel.button.toolTip().startswith("Make the film")
    assert (panel.count.label.text(), panel.count.slider.accessibleName()) == ("Films", "Films")
    assert panel.count.number.toolTip() == "How many films, each from the next seed."
    film_stand.draft.set_value("kind", "picture")
    assert panel.prompt.placeholderText() == welcome.title.text() == "What shall the picture show?"
    assert (panel.button.text(), panel.count.label.text()) == ("Generate", "Pictures")


def test_every_film_value_reaches_the_request(film_stand, panel):
    film_stand.draft.set_value("kind", "film")
    type_into(panel.film.frames.number, "24")
    type_into(panel.film.fps.number, "12")
    panel.film.loop.box.click()
    panel.film.motion_model.combo.activated.emit(1)
    request = film_stand.draft.request()
    assert (request.kind, request.frames, request.fps, request.loop) == ("film", 24, 12, True)
    assert request.motion_model == panel.film.motion_model.combo.currentData() == "drifting"
    assert panel.film.length.text() == "24 frames · 2.0 s"
    panel.film.frames.slider.setValue(6)
    assert panel.film.length.text() == "6 frames · 0.5 s"
    type_into(panel.film.frames.number, "40")
    assert film_stand.draft.value("frames") == panel.film.frames.value() == 40
    QTest.mouseDClick(panel.film.frames.label, Qt.MouseButton.LeftButton)
    QTest.mouseDClick(panel.film.loop.label, Qt.MouseButton.LeftButton)
    assert (film_stand.draft.value("frames"), film_stand.draft.value("loop")) == (16, False)
    assert not panel.film.loop.box.isChecked()


def test_one_motion_model_is_no_choice(film_stand, panel, tmp_path):
    film_stand.draft.set_value("kind", "film")
    combo = panel.film.motion_model.combo
    assert [combo.itemText(row) for row in range(combo.count())] == ["The model's own", "drifting"]
    adapter = tmp_path / "data" / "bundled" / "drifting" / "config.json"
    adapter.unlink()
    film_stand.draft._models.refresh()
    film_stand.background._pool.submit(lambda: None).result(5)
    QApplication.processEvents()
    assert not panel.film.motion_model.isVisible()


def test_a_model_that_moves_a_picture_has_controls_of_its_own(film_stand, panel):
    film_stand.draft.set_value("model", "video")
    assert shown(panel) == ["frames", "fps", "loop", "motion_bucket", "noise_augmentation"]
    type_into(panel.film.motion_bucket.number, "60")
    type_into(panel.film.noise_augmentation.number, "0.1")
    request = film_stand.draft.request()
    assert (request.motion_bucket, request.noise_augmentation) == (60, 0.1)
    assert not panel.prompt.isEnabled()
    assert panel.hint.text() == "Video does not go by words."
    assert film_stand.window.stage.welcome.title.text() == "Which picture shall move?"
    film_stand.draft.set_value("model", "both")
    assert panel.prompt.isEnabled()
    assert not panel.hint.isVisible()


def test_a_film_is_asked_of_the_engine(film_stand, panel, qtbot):
    panel.kind.buttons["film"].click()
    with qtbot.waitSignal(film_stand.queue.ended, timeout=5000):
        QTest.keyClick(panel.prompt, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    request = film_stand.transport.requests[-1]
    assert (request.kind, request.frames, request.fps) == ("film", 16, 8)


def test_the_controls_of_a_film_have_names_and_stand_in_one_column(film_stand, panel):
    for model in ("both", "video"):
        film_stand.draft.set_value("model", model)
        film_stand.draft.set_value("kind", "film")
        assert unnamed(panel) == []
    rows = (panel.film.frames, panel.film.motion_bucket, panel.steps)
    QApplication.processEvents()
    assert len({row.slider.mapTo(panel, row.slider.rect().topLeft()).x() for row in rows}) == 1
    assert len({label.width() for label in (*panel.film.labels, panel.steps.label, panel.start.strength.label)}) == 1


def test_generate_stays_in_sight_in_the_smallest_window(film_stand, panel):
    film_stand.window.resize(720, 520)
    if not film_stand.window.folding.is_open("left"):
        film_stand.window.folding.toggle("left")
    film_stand.draft.set_value("kind", "film")
    QApplication.processEvents()
    assert panel.isVisible()
    assert not panel.button.visibleRegion().isEmpty()
    assert panel.button.visibleRegion().boundingRect() == panel.button.rect()
