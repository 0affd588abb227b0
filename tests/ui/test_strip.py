"""Recent pictures and their thumbnails."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from desktop_app.ui import strip as strip_module
from desktop_app.ui import thumbnails as thumbnails_module
from desktop_app.ui.images import frames_of, image_of
from desktop_app.ui.thumbnails import Thumbnails
from tests.scripted import frames


def write(path: Path, width: int = 40, height: int = 20, shade: int = 99) -> Path:
    assert image_of(frames(width, height, shade)).save(str(path))
    return path


def thumbnail(qtbot, thumbnails: Thumbnails, path: Path, side: int = 16):
    modified = path.stat().st_mtime
    if (found := thumbnails.get(path, modified, side)) is not None:
        return found
    with qtbot.waitSignal(thumbnails.ready, timeout=3000):
        pass
    return thumbnails.get(path, modified, side)


def test_a_thumbnail_is_small_keeps_its_shape_and_is_read_once(qtbot, tmp_path):
    thumbnails = Thumbnails()
    made = thumbnail(qtbot, thumbnails, write(tmp_path / "a.png"))
    assert (made.width(), made.height()) == (16, 8)
    assert made.toImage().pixelColor(4, 4).red() == 99
    assert thumbnails.get(tmp_path / "a.png", (tmp_path / "a.png").stat().st_mtime, 16) is made
    thumbnails.close()


def test_a_file_that_is_no_picture_gives_a_null_thumbnail(qtbot, tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    thumbnails = Thumbnails()
    assert thumbnail(qtbot, thumbnails, tmp_path / "a.png").isNull()
    thumbnails.close()


def test_a_file_that_changed_is_read_again(qtbot, tmp_path):
    thumbnails = Thumbnails()
    path = write(tmp_path / "a.png", shade=10)
    thumbnail(qtbot, thumbnails, path)
    write(path, shade=200)
    os.utime(path, (1, 1))
    assert thumbnail(qtbot, thumbnails, path).toImage().pixelColor(4, 4).red() == 200
    thumbnails.close()


def test_thumbnails_stay_within_bounds(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnails_module, "MOST", 3)
    thumbnails = Thumbnails()
    for number in range(6):
        thumbnail(qtbot, thumbnails, write(tmp_path / f"{number}.png"))
    assert len(thumbnails._kept) == 3
    thumbnails.close()


def test_closing_drops_what_waits(qtbot, tmp_path):
    thumbnails = Thumbnails()
    for number in range(50):
        thumbnails.get(write(tmp_path / f"{number}.png"), 1.0, 16)
    thumbnails.close()
    assert thumbnails._files._pool.activeThreadCount() == 0


def test_the_strip_paints_pictures_and_broken_ones(qtbot, stand):
    stand.paths.pictures.mkdir()
    write(stand.paths.pictures / "wide.png", 80, 20)
    write(stand.paths.pictures / "tall.png", 20, 80)
    (stand.paths.pictures / "broken.png").write_bytes(b"broken")
    stand.pictures.refresh()
    strip = stand.window.strip
    qtbot.waitUntil(lambda: stand.pictures.rowCount() == 3)
    qtbot.waitUntil(strip.isVisible)
    with qtbot.waitSignals([stand.window.thumbnails.ready] * 3, timeout=3000, raising=False):
        strip.grab()
    assert isinstance(strip.grab().toImage(), QImage)
    assert {stand.pictures.item(row).path.stem for row in range(3)} == {"wide", "tall", "broken"}


def test_the_newest_picture_comes_up_at_start(qtbot, stand):
    stand.paths.pictures.mkdir()
    old, new = write(stand.paths.pictures / "old.png"), write(stand.paths.pictures / "new.png", shade=7)
    os.utime(old, (1, 1))
    stand.pictures.refresh()
    qtbot.waitUntil(lambda: stand.window.viewer.shown is not None and stand.window.viewer.shown.image is not None)
    assert stand.window.viewer.shown.path == new
    assert frames_of(stand.window.viewer.shown.image) == frames(40, 20, 7)
    assert stand.window.viewer.following


def test_getting_the_focus_chooses_nothing(qtbot, stand, running):
    stand.paths.pictures.mkdir()
    write(stand.paths.pictures / "old.png")
    stand.pictures.refresh()
    qtbot.waitUntil(lambda: stand.window.viewer.shown is not None)
    job = running()
    stand.window.canvas.setFocus()
    stand.window.strip.setFocus()
    assert stand.window.viewer.job is job
    QTest.keyClick(stand.window.strip, Qt.Key.Key_Home)
    QTest.mouseClick(
        stand.window.strip.viewport(),
        Qt.MouseButton.LeftButton,
        pos=stand.window.strip.visualRect(stand.pictures.index(0, 0)).center(),
    )
    assert stand.window.viewer.job is None


def test_dragging_out_carries_the_file_itself_and_its_pixels(stand, generate, monkeypatch):
    generate()
    shown = stand.window.viewer.shown
    carried: list[QMimeData] = []

    class Drag:
        def __init__(self, source):
            self.source = source

        def setMimeData(self, data):  # noqa: N802 (Qt's name)
            carried.append(data)

        def setPixmap(self, pixmap):  # noqa: N802 (Qt's name)
            assert not pixmap.isNull()

        def exec(self, actions):
            assert actions == Qt.DropAction.CopyAction

    monkeypatch.setattr(strip_module, "QDrag", Drag)
    stand.window.strip.startDrag(Qt.DropAction.CopyAction)
    stand.window.canvas.drag_out.emit()
    for data in carried:
        assert data.urls() == [QUrl.fromLocalFile(str(shown.path))]
        assert frames_of(QImage(data.imageData())) == frames(64, 64, 200)
    assert len(carried) == 2


def test_the_menu_of_a_picture_shows_that_picture(qtbot, stand, generate):
    generate()
    first = stand.window.viewer.shown.path
    generate()
    stand.window.strip.menu_wanted.emit(first, stand.window.mapToGlobal(stand.window.rect().center()))
    assert stand.window.viewer.shown.path == first
