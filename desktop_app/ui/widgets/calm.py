"""Controls that leave the wheel to the page unless they have the focus, so that scrolling never changes a value."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QHelpEvent, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)

from desktop_app.ui import theme

WIDEST_LIST = 480
"""Of the entries of a combo box, in px."""


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
    """May be narrower than its longest entry: that is cut to "…", and whole in the tooltip and in the list."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        _wheel(self, event, super().wheelEvent)

    def shown_text(self) -> str:
        """What fits of the entry that is chosen."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        control, part = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(control, option, part, self).width()
        return self.fontMetrics().elidedText(self.currentText(), Qt.TextElideMode.ElideMiddle, room)

    def showPopup(self) -> None:  # noqa: N802 (Qt's name)
        """The list is as wide as its longest entry, within reason."""
        wanted = self.view().sizeHintForColumn(0) + 2 * theme.S + theme.XL
        self.view().setMinimumWidth(min(wanted, WIDEST_LIST))
        super().showPopup()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            whole = self.currentText() if self.shown_text() != self.currentText() else ""
            QToolTip.showText(event.globalPos(), "\n".join(filter(None, (whole, self.toolTip()))), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter = QStylePainter(self)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = self.shown_text()  # pyright: ignore[reportAttributeAccessIssue] (missing in the stubs)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
