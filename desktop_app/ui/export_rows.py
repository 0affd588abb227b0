"""Rows of the export dialog that are more than one widget: size and quality."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, QSize, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.calm import CalmComboBox, CalmSlider, CalmSpinBox
from desktop_app.ui.widgets.labels import label

LEAST_SIDE, MOST_SIDE = 16, 4096
NUMBER_WIDTH = 96


class FilmSizeRow(QWidget):
    """As it is, half of it, or any height; the width follows."""

    edited = Signal()

    def __init__(self, size: QSize, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._own = size
        self.presets = CalmComboBox()
        self.presets.setAccessibleName(self.tr("Size"))
        self.presets.setToolTip(self.tr("Width × height of the film in pixels."))
        for name, part in (("1×", 1.0), ("½", 0.5)):
            height = round(size.height() * part)
            if height >= LEAST_SIDE or part == 1:
                text = self.tr("{name} · {width} × {height} px")
                width = self._width_for(height)
                self.presets.addItem(text.format(name=name, width=width, height=height), height)
        self.presets.addItem(self.tr("Custom height…"), None)
        self.height_box = CalmSpinBox()
        self.height_box.setRange(LEAST_SIDE, max(MOST_SIDE, size.height()))
        self.height_box.setValue(size.height())
        self.height_box.setSuffix(" px")
        self.height_box.setFixedWidth(NUMBER_WIDTH)
        self.height_box.setAccessibleName(self.tr("Height"))
        self.height_box.setToolTip(self.tr("Height of the film in pixels; its width follows."))
        self.height_box.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.S)
        row.addWidget(self.presets, 1)
        row.addWidget(self.height_box)
        self.presets.activated.connect(self._preset_chosen)
        self.height_box.valueChanged.connect(self.edited)

    def size_px(self) -> tuple[int, int]:
        """(width, height) in px."""
        height = self.presets.currentData()
        if height is None:
            height = self.height_box.value()
        return self._width_for(height), height

    def _width_for(self, height: int) -> int:
        return max(1, round(self._own.width() * height / self._own.height()))

    @Slot()
    def _preset_chosen(self) -> None:
        custom = self.presets.currentData() is None
        self.height_box.setVisible(custom)
        if custom:
            self.height_box.setFocus()
            self.height_box.selectAll()
        self.edited.emit()


class QualityRow(QWidget):
    """1 to 100, with a slider and a number, and the words for both ends."""

    edited = Signal()

    def __init__(self, quality: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = CalmSlider()
        self.number = CalmSpinBox()
        self.number.setFixedWidth(NUMBER_WIDTH)
        for part in (self.slider, self.number):
            part.setRange(1, 100)
            part.setValue(quality)
            part.setAccessibleName(self.tr("Quality"))
            part.setToolTip(self.tr("Higher looks better and takes more room."))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.S)
        row.addWidget(label(self.tr("small"), "muted"))
        row.addWidget(self.slider, 1)
        row.addWidget(label(self.tr("fine"), "muted"))
        row.addWidget(self.number)
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self._typed)

    def value(self) -> int:
        return self.number.value()

    @Slot(int)
    def _slid(self, value: int) -> None:
        with QSignalBlocker(self.number):
            self.number.setValue(value)
        self.edited.emit()

    @Slot(int)
    def _typed(self, value: int) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(value)
        self.edited.emit()
