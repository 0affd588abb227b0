"""Where the picture appears: zoom, pan, and pixels as they are."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QImage,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QGestureEvent, QPinchGesture, QWidget

from desktop_app.ui import theme
from desktop_app.ui.images import enlarged

MARGIN = theme.L
ZOOM_MAX = 32.0
ZOOM_MIN = 0.02
STEP = 1.25
PIXELS_FROM = 3.0
"""From this zoom on single pixels are shown as squares, because one who comes this near wants to see them."""
FIT_MAX = 6.0
"""A small picture is fitted into a large canvas at no more than this."""
DIM = 0.45
PREVIEW_SIDE = 512
"""A preview is enlarged smoothly to at least this many px, however small its picture will be."""


class Canvas(QWidget):
    """Shows one image. Zoom 1 is one image pixel on one pixel of the screen, whatever the screen's scale."""

    zoom_changed = Signal()
    drag_out = Signal()
    """The user drags the whole picture away (only while all of it is visible; otherwise dragging pans)."""
    menu_wanted = Signal(QPoint)
    """Global position."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 120)
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.setAccessibleName(self.tr("Picture"))
        self._image = QImage()
        self._size = QSize()
        self._dim = False
        self._fit = True
        self._zoom = 1.0
        self._centre = QPointF()
        self._pressed: QPoint | None = None
        self._panning = False

    # -- what it shows

    def show_picture(self, image: QImage) -> None:
        """Show ``image`` pixel for pixel."""
        self._show(image, image.size(), dim=False)

    def show_preview(self, preview: QImage, size: QSize, *, dim: bool = False) -> None:
        """Show a small ``preview`` in the place of a picture of ``size`` px; ``dim`` when it will not be finished."""
        wanted = size.scaled(PREVIEW_SIDE, PREVIEW_SIDE, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(size)
        self._show(enlarged(preview, wanted), size, dim=dim)

    def clear(self) -> None:
        self._show(QImage(), QSize(), dim=False)

    @property
    def has_image(self) -> bool:
        return not self._image.isNull()

    def _show(self, image: QImage, size: QSize, *, dim: bool) -> None:
        fresh = size != self._size or image.isNull() != self._image.isNull()
        if size != self._size:
            self._centre = QPointF(size.width() / 2, size.height() / 2)
            self._fit = True
        self._image, self._size, self._dim = image, size, dim
        if fresh:  # not at every frame of a film
            self.zoom_changed.emit()
        self.update()

    # -- zoom

    @property
    def zoom(self) -> float:
        """Screen pixels per image pixel."""
        return self._fit_zoom() if self._fit else self._zoom

    @property
    def fitted(self) -> bool:
        return self._fit

    def fit(self) -> None:
        """Show all of it, as large as the canvas allows."""
        self._fit = True
        self._centre = QPointF(self._size.width() / 2, self._size.height() / 2)
        self._changed()

    def zoom_to(self, zoom: float, about: QPointF | None = None) -> None:
        """Zoom, keeping the image point under ``about`` (widget coordinates; default: the middle) in its place."""
        if not self.has_image:
            return
        about = about if about is not None else QRectF(self.rect()).center()
        anchor = self.to_image(about)
        self._zoom = min(ZOOM_MAX, max(ZOOM_MIN, zoom))
        self._fit = False
        scale = self._zoom / self.devicePixelRatioF()
        self._centre = anchor - (about - QRectF(self.rect()).center()) / scale
        self._changed()

    def toggle_zoom(self) -> None:
        """Between fit and 100 %."""
        self.zoom_to(1.0) if self._fit else self.fit()

    def zoom_in(self) -> None:
        self.zoom_to(self.zoom * STEP)

    def zoom_out(self) -> None:
        self.zoom_to(self.zoom / STEP)

    def to_image(self, position: QPointF) -> QPointF:
        """Image coordinates (px) of a point of the widget."""
        target = self._target()
        if target.isEmpty():
            return QPointF()
        scale = self.zoom / self.devicePixelRatioF()
        return (position - target.topLeft()) / scale

    def _fit_zoom(self) -> float:
        if self._size.isEmpty():
            return 1.0
        ratio = self.devicePixelRatioF()
        width = max(1.0, (self.width() - 2 * MARGIN) * ratio)
        height = max(1.0, (self.height() - 2 * MARGIN) * ratio)
        zoom = min(width / self._size.width(), height / self._size.height())
        return min(zoom, FIT_MAX * ratio)

    def _changed(self) -> None:
        self._keep_in_sight()
        self.zoom_changed.emit()
        self.update()

    def _keep_in_sight(self) -> None:
        """A picture larger than the canvas leaves no gap on one side only; a smaller one stays in the middle."""
        scale = self.zoom / self.devicePixelRatioF()
        for get, put, extent, room in (
            (self._centre.x, self._centre.setX, self._size.width(), self.width()),
            (self._centre.y, self._centre.setY, self._size.height(), self.height()),
        ):
            half = room / scale / 2
            put(extent / 2 if half * 2 >= extent else min(max(get(), half), extent - half))

    def _target(self) -> QRectF:
        """Where the picture lies, in widget coordinates, aligned to whole pixels of the screen."""
        if self._size.isEmpty():
            return QRectF()
        ratio = self.devicePixelRatioF()
        scale = self.zoom / ratio
        middle = QRectF(self.rect()).center()
        left_top = middle - self._centre * scale
        aligned = QPointF(round(left_top.x() * ratio) / ratio, round(left_top.y() * ratio) / ratio)
        extent = QSizeF(round(self._size.width() * self.zoom), round(self._size.height() * self.zoom)) / ratio
        return QRectF(aligned, extent)

    # -- painting

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        painter = QPainter(self)
        painter.fillRect(event.rect(), theme.color("surround"))
        if not self.has_image:
            return
        zoom = self.zoom
        preview = self._image.size() != self._size
        smooth = preview or (zoom != 1.0 and (self._fit or zoom < PIXELS_FROM))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.setOpacity(DIM if self._dim else 1.0)
        target = self._target()
        painter.drawImage(target, self._downscaled(target) if smooth and zoom < 0.5 else self._image)
        painter.setOpacity(1.0)
        if self.hasFocus():
            painter.setPen(theme.color("muted"))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))

    def _downscaled(self, target: QRectF) -> QImage:
        """Averaged down to the pixels of the screen; the painter's own filter would leave pixels out."""
        extent = (target.size() * self.devicePixelRatioF()).toSize()
        return self._image.scaled(
            extent, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
        )

    # -- events

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        self._keep_in_sight()
        self.zoom_changed.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 (Qt's name)
        if not self.has_image or event.angleDelta().y() == 0:
            event.ignore()
            return
        self.zoom_to(self.zoom * STEP ** (event.angleDelta().y() / 120), event.position())

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QGestureEvent):
            return self._pinched(event)
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_to(self.zoom * (1 + event.value()), event.position())
            return True
        return super().event(event)

    def _pinched(self, event: QGestureEvent) -> bool:
        pinch = event.gesture(Qt.GestureType.PinchGesture)
        if not isinstance(pinch, QPinchGesture):
            return False
        self.zoom_to(self.zoom * pinch.scaleFactor(), QPointF(self.mapFromGlobal(pinch.hotSpot().toPoint())))
        return True

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton) and self.has_image:
            self._pressed = event.position().toPoint()
            self._panning = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        if self._pressed is None:
            return
        here = event.position().toPoint()
        far = (here - self._pressed).manhattanLength() >= QApplication.startDragDistance()
        if self._all_visible():
            if far and event.buttons() & Qt.MouseButton.LeftButton:
                self._pressed = None
                self.drag_out.emit()
            return
        if not self._panning and not far:
            return
        self._panning = True
        self.setCursor(Qt.CursorShape.ClosedHandCursor)
        self._centre -= QPointF(here - self._pressed) * self.devicePixelRatioF() / self.zoom
        self._zoom, self._fit = self.zoom, False
        self._pressed = here
        self._changed()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        self._pressed = None
        self.unsetCursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        if self._fit:
            self.zoom_to(1.0, event.position())
        else:
            self.fit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 (Qt's name)
        if self.has_image:
            self.menu_wanted.emit(event.globalPos())

    def _all_visible(self) -> bool:
        target = self._target()
        return target.width() <= self.width() and target.height() <= self.height()
