"""All frames of a film at once: in a grid, or one row for each step that was kept while it was made."""

from __future__ import annotations

import math

from PySide6.QtCore import QLocale, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.frames import Frames
from desktop_app.ui import theme
from desktop_app.ui.icons import icon
from desktop_app.ui.images import Film, enlarged, image_of

CELL = 192
"""Longer side of one frame, in px, at most."""
STEP_CELL = 112
CAPTION = 20
SHAPE = 1.6
"""Width by height that a grid comes near."""
MOST_COLUMNS = 8
"""Of a sheet with steps; of a longer film it shows evenly spread frames."""
Steps = tuple[tuple[int, Frames], ...]


def frames_sheet(film: Film) -> QImage:
    """Every frame in a grid, with its number and time under it."""
    cell = _cell(film, CELL)
    columns = _columns(film.count, (cell.height() + CAPTION) / cell.width())
    sheet, painter = _paper(columns, math.ceil(film.count / columns), cell, left=theme.M)
    for index in range(film.count):
        seconds = QLocale().toString((index + 1) / film.fps, "f", 1)
        place = _place(index % columns, index // columns, cell, left=theme.M)
        _paint(painter, film.image(index), place, f"{index + 1} · {seconds} s")
    painter.end()
    return sheet


def steps_sheet(film: Film, steps: Steps, row_text: str, last_text: str) -> QImage:
    """Frames from left to right, steps from above, the finished film last. ``row_text`` has a {step}."""
    cell = _cell(film, STEP_CELL)
    count = min(film.count, MOST_COLUMNS)
    rows = [(row_text.format(step=step), frames) for step, frames in steps] + [(last_text, film.frames)]
    sheet, painter = _paper(count, len(rows), cell, left=STEP_CELL)
    for row, (text, frames) in enumerate(rows):
        for column in range(count):
            index = round(column * (frames.count - 1) / max(1, count - 1))
            place = _place(column, row, cell, left=STEP_CELL)
            caption = str(index + 1) if row == len(rows) - 1 else ""
            _paint(painter, enlarged(image_of(frames, index), cell), place, caption)
        middle = _place(0, row, cell, left=STEP_CELL).center().y()
        side = QRect(theme.M, middle - CAPTION // 2, STEP_CELL - 2 * theme.M, CAPTION)
        painter.drawText(side, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
    painter.end()
    return sheet


def _columns(count: int, tall: float) -> int:
    """The number of columns that brings the sheet near :data:`SHAPE` and leaves few places of its last row empty.

    ``tall`` is a cell's height by its width.
    """

    def unlike(columns: int) -> float:
        rows = math.ceil(count / columns)
        return abs(math.log(columns / (rows * tall) / SHAPE)) + 2 * (rows * columns - count) / columns

    return min(range(1, count + 1), key=unlike)


def _cell(film: Film, side: int) -> QSize:
    size = QSize(film.frames.width, film.frames.height)
    return size.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio)


def _paper(columns: int, rows: int, cell: QSize, *, left: int) -> tuple[QImage, QPainter]:
    """An empty sheet, and a painter that writes on it."""
    width = left + columns * (cell.width() + theme.S) - theme.S + theme.M
    height = theme.M + rows * (cell.height() + CAPTION)
    sheet = QImage(width, height, QImage.Format.Format_RGB32)
    sheet.fill(theme.color("panel"))
    painter = QPainter(sheet)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
    painter.setFont(theme.sized(painter.font(), theme.FONT_SMALL))
    painter.setPen(theme.color("muted"))
    return sheet, painter


def _place(column: int, row: int, cell: QSize, *, left: int) -> QRect:
    x = left + column * (cell.width() + theme.S)
    return QRect(x, theme.M + row * (cell.height() + CAPTION), cell.width(), cell.height())


def _paint(painter: QPainter, image: QImage, place: QRect, caption: str) -> None:
    scaled = image.scaled(
        place.size(), Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    painter.drawImage(place.topLeft(), scaled)
    below = QRect(place.left(), place.bottom() + 1, place.width(), CAPTION)
    painter.drawText(below, Qt.AlignmentFlag.AlignCenter, caption)


class _Paper(QWidget):
    """All of a sheet, as large as there is room, but no larger than it is."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(320, 160)
        self._sheet = QImage()

    def show_sheet(self, sheet: QImage) -> None:
        self._sheet = sheet
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        ratio = self.devicePixelRatioF()
        room = self.size() * ratio
        size = self._sheet.size().scaled(room, Qt.AspectRatioMode.KeepAspectRatio).boundedTo(self._sheet.size() * ratio)
        fitted = self._sheet.scaled(
            size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        fitted.setDevicePixelRatio(ratio)
        left_top = (self.size() - fitted.deviceIndependentSize().toSize()) / 2
        QPainter(self).drawImage(left_top.width(), left_top.height(), fitted)


class ContactSheetDialog(QDialog):
    """Shows a sheet; copying and saving are left to who opened it."""

    copy_wanted = Signal(object)
    """QImage."""
    save_wanted = Signal(object)
    """QImage."""

    def __init__(self, film: Film, steps: Steps, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Contact sheet"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._film, self._steps = film, steps
        self.sheet = QImage()
        self.paper = _Paper()
        self.with_steps = QCheckBox(self.tr("Steps"))
        self.with_steps.setAccessibleName(self.with_steps.text())
        self.with_steps.setToolTip(self.tr("Show how the film came out of the noise, a row for each step kept."))
        self.with_steps.setVisible(bool(steps))
        self.with_steps.toggled.connect(self._draw)
        self._lay_out()
        self._draw()
        room = (parent.size() if parent else self.screen().availableSize()) * 0.9
        self.resize((self.sheet.size() + QSize(2 * theme.M, 2 * theme.XL + theme.CONTROL_HEIGHT)).boundedTo(room))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.M, theme.M, theme.M, theme.M)
        column.addWidget(self.paper, 1)
        row = QHBoxLayout()
        row.addWidget(self.with_steps)
        row.addStretch(1)
        self.copy = self._button("copy", self.tr("Copy"), self.tr("Copy the sheet as one picture."))
        self.copy.clicked.connect(lambda: self.copy_wanted.emit(self.sheet))
        self.save = self._button("save", self.tr("Save as…"), self.tr("Save the sheet as one picture."))
        self.save.clicked.connect(lambda: self.save_wanted.emit(self.sheet))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        close = buttons.button(QDialogButtonBox.StandardButton.Close)
        close.setAccessibleName(close.text().replace("&", ""))
        close.setToolTip(self.tr("Close this window."))
        for part in (self.copy, self.save, buttons):
            row.addWidget(part)
        column.addLayout(row)

    def _button(self, icon_name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(icon(icon_name), text)
        button.setAccessibleName(text)
        button.setToolTip(tip)
        return button

    @Slot()
    def _draw(self) -> None:
        if self.with_steps.isChecked():
            self.sheet = steps_sheet(self._film, self._steps, self.tr("Step {step}"), self.tr("Finished"))
        else:
            self.sheet = frames_sheet(self._film)
        self.paper.show_sheet(self.sheet)
