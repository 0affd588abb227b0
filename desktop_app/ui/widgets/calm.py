"""Controls that leave the wheel to the page unless they have the focus, so that scrolling never changes a value."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSizePolicy, QSlider, QSpinBox, QWidget

from desktop_app.ui import theme


def _wheel(widget: QWidget, event: QWheelEvent, handler) -> None:
    if widget.hasFocus():
        handler(event)
    else:
        event.ignore()


def _set_up_number_box(box: QSpinBox | QDoubleSpinBox) -> None:
    """Takes a typed number when it is finished, aligned with the boxes above and below."""
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.setKeyboardTracking(False)
    box.setAlignment(Qt.AlignmentFlag.AlignRight)
    box.setFixedHeight(theme.CONTROL_HEIGHT)
    box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    box.lineEdit().setTextMargins(0, 0, theme.XS, 0)


class CalmSlider(QSlider):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setMinimumWidth(48)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        _wheel(self, event, super().wheelEvent)


class CalmSpinBox(QSpinBox):
    """A whole number. The style sheet gives it no arrows: a slider, the arrow keys and typing do the same."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        _set_up_number_box(self)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        _wheel(self, event, super().wheelEvent)


class CalmDoubleSpinBox(QDoubleSpinBox):
    """Shows no more decimals than the value has."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        _set_up_number_box(self)
        self.setDecimals(2)

    def textFromValue(self, value: float) -> str:  # noqa: N802 (Qt's name)
        return self.locale().toString(round(value, 2), "g", 6)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        _wheel(self, event, super().wheelEvent)


class CalmComboBox(QComboBox):
    """May be narrower than its longest entry."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        _wheel(self, event, super().wheelEvent)
