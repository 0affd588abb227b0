"""Zoom, pan and pixels."""

from __future__ import annotations

import itertools

import pytest
from PySide6.QtCore import QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtTest import QTest

from desktop_app.core.frames import Frames
from desktop_app.ui import theme
from desktop_app.ui.canvas import FIT_MAX, MARGIN, Canvas
from desktop_app.ui.images import enlarged, frames_of, image_of
from tests.ui.test_widgets import turn_wheel


def gradient(width: int, height: int) -> Frames:
    """Neighbouring pixels differ."""
    pixels = ((x % 256, y % 256, x * y % 256) for y in range(height) for x in range(width))
    return Frames(1, height, width, bytes(value for pixel in pixels for value in pixel))


@pytest.fixture
def canvas(qtbot) -> Canvas:
    canvas = Canvas()
    qtbot.addWidget(canvas)
    canvas.resize(400, 300)
    canvas.show()
    return canvas


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5), (64, 48), (101, 7)])
def test_frames_survive_the_way_through_qt(width, height):
    frames = gradient(width, height)
    assert frames_of(image_of(frames)) == frames


def test_an_image_outlives_the_bytes_it_came_from():
    frames = gradient(40, 40)
    image = image_of(frames)
    expected = image.copy()
    del frames
    bytearray(10_000_000)
    assert image == expected


def test_at_100_percent_every_pixel_is_itself(canvas):
    canvas.show_picture(image_of(gradient(120, 90)))
    canvas.zoom_to(1.0)
    shown = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    ratio = round(shown.devicePixelRatio())
    left, top = (shown.width() - 120 * ratio) // 2, (shown.height() - 90 * ratio) // 2
    found = shown.copy(left, top, 120, 90) if ratio == 1 else None
    assert found is not None, "this test wants an unscaled screen"
    assert frames_of(found) == gradient(120, 90)


def test_fit_shows_all_of_it_with_a_margin_and_enlarges_within_reason(canvas):
    canvas.show_picture(image_of(gradient(1000, 500)))
    assert canvas.fitted
    assert canvas.zoom == pytest.approx((400 - 2 * MARGIN) / 1000)
    canvas.show_picture(image_of(gradient(8, 8)))
    assert canvas.zoom == FIT_MAX


def test_around_the_picture_is_the_neutral_token(canvas):
    canvas.show_picture(image_of(gradient(64, 64)))
    assert canvas.grab().toImage().pixelColor(1, 1) == theme.color("surround")


def test_the_wheel_zooms_about_the_pointer(canvas):
    canvas.show_picture(image_of(gradient(200, 200)))
    canvas.zoom_to(4.0)
    pointer = QPointF(canvas.rect().center())
    before = canvas.to_image(pointer)
    turn_wheel(canvas, 1)
    after = canvas.to_image(pointer)
    assert canvas.zoom == pytest.approx(5.0)
    assert (after - before).manhattanLength() < 0.5


def test_zooming_at_a_corner_keeps_that_corner_in_place(canvas):
    canvas.show_picture(image_of(gradient(200, 200)))
    canvas.zoom_to(3.0)
    pointer = QPointF(100, 80)
    before = canvas.to_image(pointer)
    canvas.zoom_to(6.0, pointer)
    assert (canvas.to_image(pointer) - before).manhattanLength() < 0.5


def test_dragging_pans_and_stops_at_the_edge(canvas):
    canvas.show_picture(image_of(gradient(200, 200)))
    canvas.zoom_to(4.0)
    before = canvas.to_image(QPointF(200, 150))
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
    QTest.mouseMove(canvas, QPoint(160, 150))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(160, 150))
    moved = canvas.to_image(QPointF(200, 150)) - before
    assert moved.x() == pytest.approx(10, abs=0.5)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 150))
    QTest.mouseMove(canvas, QPoint(-5000, 150))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(0, 150))
    assert canvas.to_image(QPointF(400, 150)).x() == pytest.approx(200, abs=0.5)


def test_a_fitted_picture_is_dragged_out_instead(qtbot, canvas):
    canvas.show_picture(image_of(gradient(64, 64)))
    with qtbot.waitSignal(canvas.drag_out):
        QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(200, 150))
        QTest.mouseMove(canvas, QPoint(240, 180))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton)


def test_a_double_click_and_the_toggle_change_between_fit_and_100_percent(canvas):
    canvas.show_picture(image_of(gradient(64, 64)))
    canvas.toggle_zoom()
    assert canvas.zoom == 1.0
    assert not canvas.fitted
    QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton)
    assert canvas.fitted


def test_the_zoom_stays_while_a_preview_gives_way_to_its_picture(canvas):
    canvas.show_preview(image_of(gradient(8, 8)), QSize(64, 64))
    canvas.zoom_to(2.0)
    canvas.show_picture(image_of(gradient(64, 64)))
    assert canvas.zoom == 2.0
    canvas.show_picture(image_of(gradient(96, 64)))
    assert canvas.fitted


def test_a_preview_fills_the_place_of_its_picture_and_is_dimmed_when_stopped(canvas):
    white = Frames(1, 8, 8, b"\xff" * 192)
    canvas.show_preview(image_of(white), QSize(64, 64))
    bright = canvas.grab().toImage()
    assert bright.pixelColor(200, 150).lightness() == 255
    canvas.show_preview(image_of(white), QSize(64, 64), dim=True)
    assert canvas.grab().toImage().pixelColor(200, 150).lightness() < 245


def test_enlarging_a_preview_is_smooth():
    black_white = Frames(1, 1, 2, bytes([0, 0, 0, 255, 255, 255]))
    image = enlarged(image_of(black_white), QSize(64, 32))
    row = [image.pixelColor(x, 0).red() for x in range(image.width())]
    assert image.size() == QSize(64, 32)
    assert row == sorted(row)
    assert max(b - a for a, b in itertools.pairwise(row)) < 40


def test_an_empty_canvas_paints_and_ignores_everything(canvas):
    canvas.clear()
    turn_wheel(canvas, 3)
    canvas.toggle_zoom()
    assert not canvas.has_image
    assert isinstance(canvas.grab(), QPixmap)
