"""A slider through a film: a press goes where it points, and the frame under the pointer can be seen before."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QHideEvent, QImage, QMouseEvent, QPixmap
from PySide6.QtWidgets import QLabel, QStyle, QStyleOptionSlider, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.calm import CalmSlider

PEEK = 112
"""Longer side of the small picture, in px."""


class ScrubSlider(CalmSlider):
    """Values are frames from 0."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.frame: Callable[[int], QImage] | None = None
        """Makes the image of a frame; None shows nothing above the pointer."""
        self.peek = QLabel(self, Qt.WindowType.ToolTip)
        self.peek.setProperty("role", "peek")
        self._peeked = -1
        self.setMouseTracking(True)
        self.setPageStep(1)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self.setSliderPosition(self.value_at(event.position().x()))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        value = self.value_at(event.position().x())
        if self.isSliderDown():
            self.setSliderPosition(value)
        self._show_peek(value)
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        self.setSliderDown(False)
        event.accept()

    def leaveEvent(self, event) -> None:  # noqa: N802 (Qt's name)
        self.peek.hide()
        super().leaveEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 (Qt's name)
        self.peek.hide()
        super().hideEvent(event)

    def value_at(self, x: float) -> int:
        """The frame that lies at ``x`` px."""
        handle = self._handle()
        return QStyle.sliderValueFromPosition(
            self.minimum(), self.maximum(), round(x - handle / 2), max(1, self.width() - handle)
        )

    def x_of(self, value: int) -> int:
        """Where frame ``value`` lies, in px."""
        handle = self._handle()
        return handle // 2 + QStyle.sliderPositionFromValue(
            self.minimum(), self.maximum(), value, max(1, self.width() - handle)
        )

    def _handle(self) -> int:
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        control, part = QStyle.ComplexControl.CC_Slider, QStyle.SubControl.SC_SliderHandle
        return self.style().subControlRect(control, option, part, self).width()

    def _show_peek(self, value: int) -> None:
        if self.frame is None:
            return
        if value != self._peeked or self.peek.isHidden():
            self._peeked = value
            ratio = self.devicePixelRatioF()
            side = round(PEEK * ratio)
            pixmap = QPixmap.fromImage(
                self.frame(value).scaled(
                    side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
                )
            )
            pixmap.setDevicePixelRatio(ratio)
            self.peek.setPixmap(pixmap)
            self.peek.adjustSize()
        above = QPoint(self.x_of(value) - self.peek.width() // 2, -self.peek.height() - theme.XS)
        self.peek.move(self.mapToGlobal(above))
        self.peek.show()
