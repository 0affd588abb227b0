"""The start picture: chosen, dropped, pasted, shown and cleared."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog

from desktop_app.ui.images import frames_of, image_of
from tests.films import moving, write_gif
from tests.scripted import frames
from tests.ui.conftest import build


@pytest.fixture
def zone(film_stand):
    return film_stand.window.prompt_panel.start


@pytest.fixture
def picture(tmp_path) -> Path:
    """96 × 64 px."""
    path = tmp_path / "boat.png"
    image_of(frames(96, 64, 120)).save(str(path))
    return path


def has_picture(zone) -> bool:
    return zone.card.isVisible() and zone._proportion > 0


def files(*paths: Path) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def drop(zone, data: QMimeData) -> bool:
    """Whether the zone took it."""
    at, buttons, keys = QPoint(20, 10), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at, Qt.DropAction.CopyAction, data, buttons, keys)
    QApplication.sendEvent(zone, enter)
    if enter.isAccepted():
        QApplication.sendEvent(zone, QDropEvent(QPointF(at), Qt.DropAction.CopyAction, data, buttons, keys))
    return enter.isAccepted()


def test_empty_it_is_one_quiet_row(zone):
    assert zone.choose.isVisible()
    assert zone.choose.accessibleName() == "Start picture: drop one, or choose…"
    for part in (zone.card, zone.note, zone.use, zone.strength):
        assert not part.isVisible()
    assert zone.height() <= 40


def test_a_dropped_file_becomes_the_start_picture(qtbot, film_stand, zone, picture):
    assert drop(zone, files(picture))
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    assert film_stand.draft.request().start == str(picture)
    assert film_stand.draft.request().start_digest
    assert zone.card.name.text() == "boat.png"
    assert zone.card.name.toolTip() == str(picture)
    icon = zone.card.picture.icon().pixmap(zone.card.picture.iconSize()).toImage()
    assert (icon.width(), icon.height()) == (48, 32)
    assert icon.pixelColor(20, 20).red() == 120
    assert zone.strength.isVisible()
    assert not zone.choose.isVisible()


def test_the_zone_lights_up_while_something_hovers_over_it(zone, picture):
    data = files(picture)
    enter = QDragEnterEvent(
        QPoint(20, 10),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(zone, enter)
    assert zone.choose.property("role") == "drop-here"
    QApplication.sendEvent(zone, QDragLeaveEvent())
    assert zone.choose.property("role") == "drop"


def test_text_is_not_taken(film_stand, zone):
    data = QMimeData()
    data.setText("a boat")
    assert not drop(zone, data)
    assert film_stand.draft.value("start") == ""


def test_pixels_from_elsewhere_are_kept_in_a_file(qtbot, film_stand, zone):
    image = QImage(16, 8, QImage.Format.Format_ARGB32)
    image.fill(0)
    data = QMimeData()
    data.setImageData(image)
    data.setUrls([QUrl("https://example.org/boat.png")])
    assert drop(zone, data)
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    path = Path(film_stand.draft.value("start"))
    assert path.parent == film_stand.paths.start_pictures
    assert frames_of(QImage(str(path))) == frames(16, 8, 255), "what lets something through lies on white"


def test_an_address_alone_is_not_fetched(film_stand, zone):
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/boat.png")])
    assert drop(zone, data)
    assert film_stand.draft.value("start") == ""
    assert zone.note.isVisible()
    assert zone.note.text().startswith("Only the address of the picture arrived.")


def test_paste_takes_a_file_or_pixels_and_says_when_there_are_none(qtbot, film_stand, zone, picture):
    clipboard = QGuiApplication.clipboard()
    zone.choose.setFocus()
    clipboard.setText("a boat")
    QTest.keyClick(zone.choose, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert zone.note.text().startswith("There is no picture to take.")
    clipboard.setMimeData(files(picture))
    QTest.keyClick(zone.choose, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert film_stand.draft.value("start") == str(picture)
    assert not zone.note.isVisible()
    assert zone.card.picture.hasFocus(), "the focus stays in the zone"
    clipboard.setImage(image_of(frames(24, 24, 33)))
    QTest.keyClick(zone.card.picture, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: Path(film_stand.draft.value("start")).name.startswith("picture-"), timeout=5000)
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    clipboard.clear()


def test_a_click_opens_the_file_dialog(qtbot, film_stand, zone, picture):
    QTest.mouseClick(zone.choose, Qt.MouseButton.LeftButton)
    dialog = film_stand.window.findChild(QFileDialog)
    dialog.fileSelected.emit(str(picture))
    dialog.close()
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    assert film_stand.draft.value("start") == str(picture)


@pytest.mark.parametrize("way", ["button", "key"])
def test_it_is_cleared_by_the_button_and_by_delete(qtbot, film_stand, zone, picture, way):
    film_stand.draft.use_start(picture)
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    zone.card.picture.setFocus()
    if way == "button":
        QTest.mouseClick(zone.card.clear, Qt.MouseButton.LeftButton)
    else:
        QTest.keyClick(zone.card.picture, Qt.Key.Key_Delete)
    assert film_stand.draft.request().start == ""
    assert zone.choose.isVisible()
    assert zone.choose.hasFocus()
    assert picture.exists()


def test_delete_in_the_strength_is_for_the_number(qtbot, film_stand, zone, picture):
    film_stand.draft.use_start(picture)
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    for part in (zone.strength.number, zone.strength.slider):
        part.setFocus()
        QTest.keyClick(part, Qt.Key.Key_Delete)
    assert film_stand.draft.value("start") == str(picture)


def test_the_strength_reaches_the_request(film_stand, zone, picture):
    film_stand.draft.use_start(picture)
    zone.strength.slider.setValue(3)
    assert film_stand.draft.request().strength == 0.15
    zone.strength.number.setValue(0.42)
    assert film_stand.draft.request().strength == 0.42
    QTest.mouseDClick(zone.strength.label, Qt.MouseButton.LeftButton)
    assert film_stand.draft.request().strength == 0.7


def test_a_film_can_be_drawn_anew_or_extended(qtbot, film_stand, zone, picture):
    film_stand.draft.use_start(picture)
    assert not zone.use.isVisible()
    film_stand.draft.set_value("kind", "film")
    assert zone.use.isVisible()
    zone.use.buttons["extend"].click()
    assert film_stand.draft.request().start_use == "extend"
    assert not zone.strength.isVisible()
    assert film_stand.window.prompt_panel.film.length.text() == "16 new frames · 2.0 s"
    other = write_gif(picture.with_name("sea.gif"), moving(6), 10)
    drop(zone, files(other))
    assert (film_stand.draft.value("start"), film_stand.draft.value("start_use")) == (str(other), "extend")
    qtbot.waitUntil(lambda: zone.card.about.text() == "Start film · 0.6 s", timeout=5000)
    zone.use.buttons["vary"].click()
    assert zone.strength.isVisible()


def test_a_model_that_needs_a_picture_asks_for_one(film_stand, zone, picture):
    film_stand.draft.set_value("model", "video")
    button = film_stand.window.prompt_panel.button
    assert zone.note.text() == "Video makes films of a picture: give it one to start from."
    assert zone.note.isVisible()
    assert not button.isEnabled()
    assert "needs a start picture" in button.toolTip()
    film_stand.draft.use_start(picture)
    assert not zone.note.isVisible()
    assert not zone.strength.isVisible()
    assert zone.use.buttons["vary"].text() == "Animate"
    assert button.isEnabled()


@pytest.mark.parametrize(("name", "data"), [("notes.txt", b"hello"), ("broken.png", b"no"), ("broken.mp4", b"no")])
def test_a_file_that_is_no_picture_is_explained(qtbot, film_stand, zone, tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    drop(zone, files(tmp_path / name))
    qtbot.waitUntil(lambda: zone.note.isVisible(), timeout=10000)
    assert zone.note.text().startswith(f"The file “{name}” cannot be read as a picture or a film: ")
    assert "Choose a PNG" in zone.note.text()
    assert not film_stand.window.prompt_panel.button.isEnabled()
    zone.card.clear.click()
    assert not zone.note.isVisible()
    assert film_stand.window.prompt_panel.button.isEnabled()


def test_a_picture_that_goes_missing_is_noticed_when_the_window_is_used_again(qtbot, film_stand, zone, picture):
    film_stand.draft.use_start(picture)
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    picture.unlink()
    QApplication.sendEvent(zone, QEvent(QEvent.Type.WindowActivate))
    qtbot.waitUntil(lambda: zone.note.isVisible(), timeout=5000)
    assert zone.note.text().startswith("The start picture “boat.png” is not there any more. Choose it again")
    assert "not there any more" in film_stand.window.prompt_panel.button.toolTip()
    assert zone.card.name.text() == "boat.png"
    image_of(frames(64, 64, 50)).save(str(picture))
    QApplication.sendEvent(zone, QEvent(QEvent.Type.WindowActivate))
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    assert film_stand.window.prompt_panel.button.isEnabled()


def test_its_shape_is_offered_and_never_taken_unasked(qtbot, film_stand, zone, picture):
    film_stand.draft.use_start(picture)
    qtbot.waitUntil(lambda: zone.card.shape.isVisible(), timeout=5000)
    assert film_stand.draft.request().size == (64, 64)
    assert "96 × 64 px" in zone.card.shape.toolTip()
    QTest.mouseClick(zone.card.shape, Qt.MouseButton.LeftButton)
    assert film_stand.draft.request().size == (96, 64)
    assert film_stand.window.prompt_panel.size_row.presets.currentText() == "96 × 64 px"
    assert not zone.card.shape.isVisible()
    assert zone.card.about.isVisible()
    film_stand.draft.set_size(64, 64)
    assert zone.card.shape.isVisible()


def test_a_long_name_is_cut_in_the_middle_and_the_column_stays_narrow(qtbot, film_stand, zone, tmp_path):
    before = zone.minimumSizeHint().width()
    path = tmp_path / f"{'holiday-' * 20}1.png"
    image_of(frames(96, 64)).save(str(path))
    film_stand.draft.use_start(path)
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    assert zone.minimumSizeHint().width() <= max(before, 278)
    assert zone.card.name.toolTip() == str(path)


def test_it_is_still_there_after_a_restart(qtbot, film_stand, zone, picture, tmp_path, transport):
    film_stand.draft.use_start(picture)
    qtbot.waitUntil(lambda: has_picture(zone), timeout=5000)
    wanted = film_stand.draft.request()
    film_stand.draft.save()
    film_stand.background._pool.submit(lambda: None).result(5)
    again = build(tmp_path / "data", transport)
    again.window.show()
    other = again.window.prompt_panel.start
    qtbot.waitUntil(lambda: has_picture(other), timeout=5000)
    assert again.draft.request() == wanted
    again.close()


def test_a_frame_of_a_model_that_cannot_film_is_refused_with_a_reason(film_stand, zone, picture):
    film_stand.draft.set_value("model", "pictures")
    film_stand.window.frame_actions.start_from(picture, "extend")
    assert film_stand.window.messages.text.text().startswith("The model Pictures makes pictures, not films.")
    assert zone.note.text().startswith("The model Pictures makes pictures, not films.")
    assert not film_stand.window.prompt_panel.button.isEnabled()
    zone.card.clear.click()
    assert film_stand.window.prompt_panel.button.isEnabled()
