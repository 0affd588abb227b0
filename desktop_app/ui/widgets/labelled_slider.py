"""Label, slider and editable number in one row."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.calm import CalmDoubleSpinBox, CalmSlider
from desktop_app.ui.widgets.labels import ResetLabel

NUMBER_WIDTH = 68


class LabelledSlider(QWidget):
    """A number. The slider covers the usual range, the number box every valid value.

    Whole numbers when ``step`` is 1; otherwise the slider moves in steps of ``step``.
    """

    edited = Signal(object)
    """The user chose this value."""
    reset = Signal()
    """The label was double-clicked."""

    def __init__(
        self,
        text: str,
        tip: str,
        *,
        usual: tuple[float, float],
        step: float = 1,
        unit: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._step = step
        self._usual = usual
        self.label = ResetLabel(text)
        self.slider = CalmSlider()
        self.number = CalmDoubleSpinBox()
        self.number.setDecimals(0 if step == 1 else 2)
        self.number.setFixedWidth(NUMBER_WIDTH)
        self.number.setSingleStep(step)
        if unit:
            self.number.setSuffix(f" {unit}")
        self.label.setBuddy(self.number)
        self.set_words(text, tip)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.S)
        row.addWidget(self.label)
        row.addWidget(self.slider, 1)
        row.addWidget(self.number)
        self.set_limits(*usual)
        self.slider.valueChanged.connect(self._slid)
        self.number.valueChanged.connect(self._typed)
        self.label.reset.connect(self.reset)

    def set_words(self, text: str, tip: str) -> None:
        """What it is called and what it does."""
        self.label.setText(text)
        for widget in (self.slider, self.number):
            widget.setAccessibleName(text)
            widget.setToolTip(tip)
        self.label.setToolTip(tip + " " + self.tr("Double-click to go back to the model's own value."))

    def value(self) -> float:
        return self._kind(self.number.value())

    def set_limits(self, low: float, high: float) -> None:
        """The valid range; the slider keeps to the part of it that is usual."""
        with QSignalBlocker(self.slider), QSignalBlocker(self.number):
            self.number.setRange(low, high)
            self.slider.setRange(self._notch(max(low, self._usual[0])), self._notch(min(high, self._usual[1])))

    def set_value(self, value: float) -> None:
        """Show ``value`` without emitting :attr:`edited`."""
        with QSignalBlocker(self.slider), QSignalBlocker(self.number):
            self.number.setValue(value)
            self.slider.setValue(self._notch(value))

    def _kind(self, value: float) -> float:
        return int(value) if self._step == 1 else value

    def _notch(self, value: float) -> int:
        return round(value / self._step)

    @Slot(int)
    def _slid(self, notch: int) -> None:
        value = self._kind(notch * self._step)
        with QSignalBlocker(self.number):
            self.number.setValue(value)
        self.edited.emit(value)

    @Slot()
    def _typed(self) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._notch(self.number.value()))
        self.edited.emit(self.value())
