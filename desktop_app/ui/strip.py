"""The strip under the canvas: this run's and recent pictures, newest first."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import (
    QItemSelectionModel,
    QLocale,
    QMimeData,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRectF,
    QSize,
    Qt,
    QUrl,
    Signal,
    Slot,
)
from PySide6.QtGui import QContextMenuEvent, QDrag, QImage, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop_app.studio.picture_list import PictureList
from desktop_app.ui import theme
from desktop_app.ui.icons import paint_icon
from desktop_app.ui.thumbnails import Thumbnails

SIDE = 72
"""Of one thumbnail, in px."""
MARK_FONT = 11
Index = QModelIndex | QPersistentModelIndex


class _Delegate(QStyledItemDelegate):
    """Paints a thumbnail with rounded corners, and an accent frame around the chosen one."""

    def __init__(self, pictures: PictureList, thumbnails: Thumbnails, parent: QWidget) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._thumbnails = thumbnails

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802 (Qt's name)
        return QSize(SIDE + theme.S, SIDE + theme.S)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        item = self._pictures.item(index.row())
        ratio = painter.device().devicePixelRatioF()
        pixmap = self._thumbnails.get(item.path, item.modified, round(SIDE * ratio))
        box = QRectF(option.rect).adjusted(theme.XS, theme.XS, -theme.XS, -theme.XS)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        outline = QPainterPath()
        frame = _fitted(box, pixmap) if pixmap else box
        outline.addRoundedRect(frame, 4, 4)
        if pixmap:
            painter.setClipPath(outline)
            painter.drawPixmap(frame, pixmap, QRectF(pixmap.rect()))
            painter.setClipping(False)
            seconds = self._thumbnails.seconds(item.path, item.modified)
            if seconds is not None:
                _paint_film_mark(painter, frame, seconds)
        else:
            painter.fillPath(outline, theme.color("raised"))
        if pixmap is not None and pixmap.isNull():
            paint_icon(painter, "alert", QRectF(box.center().x() - 10, box.center().y() - 10, 20, 20), "muted")
        self._paint_frame(painter, frame, option.state)
        painter.restore()

    def _paint_frame(self, painter: QPainter, box: QRectF, state: QStyle.StateFlag) -> None:
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(theme.color("accent"), 2))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(theme.color("muted"), 1))
        else:
            return
        painter.drawRoundedRect(box.adjusted(-1.5, -1.5, 1.5, 1.5), 5, 5)


def _paint_film_mark(painter: QPainter, frame: QRectF, seconds: float) -> None:
    """A film's length in the lower right corner, behind the mark of a film."""
    painter.setFont(theme.sized(painter.font(), MARK_FONT))
    text = QLocale().toString(seconds, "f", 1) + " s"
    width = painter.fontMetrics().horizontalAdvance(text)
    badge = QRectF(0, 0, min(frame.width(), width + 22), 16)
    badge.moveBottomRight(frame.bottomRight())
    outline = QPainterPath()
    outline.addRoundedRect(badge, 4, 4)
    painter.setOpacity(0.85)
    painter.fillPath(outline, theme.color("window"))
    painter.setOpacity(1.0)
    paint_icon(painter, "film", QRectF(badge.left() + 3, badge.top() + 2, 12, 12), "text")
    painter.setPen(theme.color("text"))
    painter.drawText(badge.adjusted(17, 0, -3, 0), Qt.AlignmentFlag.AlignVCenter, text)


def _fitted(box: QRectF, pixmap: QPixmap) -> QRectF:
    size = QRectF(pixmap.rect()).size()
    size.scale(box.size(), Qt.AspectRatioMode.KeepAspectRatio)
    frame = QRectF(0, 0, size.width(), size.height())
    frame.moveCenter(box.center())
    return frame


class Strip(QListView):
    """Arrows and clicks choose a picture; it can be dragged out as a file."""

    chosen = Signal(object)
    """Path of the picture that the user wants to see."""
    menu_wanted = Signal(object, QPoint)
    """(path, global position)."""

    def __init__(self, pictures: PictureList, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._thumbnails = thumbnails
        self._shown: Path | None = None
        self._full: QImage | None = None
        self.setAccessibleName(self.tr("Recent pictures"))
        self.setToolTip(self.tr("Recent pictures, newest first. Click one to see it; drag it out as a file."))
        self.setProperty("role", "strip")
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(SIDE + 2 * theme.S + theme.L)
        self.setMouseTracking(True)
        self.setDragEnabled(True)
        self.setModel(pictures)
        self.setItemDelegate(_Delegate(pictures, thumbnails, self))
        self.selectionModel().selectionChanged.connect(self._selection_changed)
        pictures.rowsInserted.connect(self._mark_shown)
        pictures.modelReset.connect(self._mark_shown)
        thumbnails.ready.connect(self._thumbnail_ready)

    def show_chosen(self, path: Path | None, full: QImage | None) -> None:
        """Mark the picture that the canvas shows; ``full`` travels along when it is dragged out."""
        self._shown, self._full = path, full
        self._mark_shown()

    def step(self, by: int) -> None:
        """Choose the next (1) or previous (-1) picture."""
        row = self.currentIndex().row() + by if self.currentIndex().isValid() else 0
        if 0 <= row < self._pictures.rowCount():
            self.setCurrentIndex(self._pictures.index(row, 0))

    @Slot()
    def _mark_shown(self) -> None:
        row = self._pictures.row_of(self._shown) if self._shown else -1
        selection = self.selectionModel()
        if row < 0:
            selection.clear()
            return
        index = self._pictures.index(row, 0)
        if index != self.currentIndex() or not selection.isSelected(index):
            self._quietly_select(index)

    def _quietly_select(self, index: QModelIndex) -> None:
        self.selectionModel().selectionChanged.disconnect(self._selection_changed)
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self.selectionModel().selectionChanged.connect(self._selection_changed)
        self.scrollTo(index)

    @Slot()
    def _selection_changed(self) -> None:
        """Not the current index: a list view makes its first item current as soon as it gets the focus."""
        for index in self.selectionModel().selectedIndexes():
            path = self._pictures.item(index.row()).path
            if path != self._shown:
                self.chosen.emit(path)

    @Slot(object)
    def _thumbnail_ready(self, path: Path) -> None:
        row = self._pictures.row_of(path)
        if row >= 0:
            self.update(self._pictures.index(row, 0))

    def startDrag(self, actions: Qt.DropAction) -> None:  # noqa: N802 (Qt's name)
        if not self.currentIndex().isValid():
            return
        item = self._pictures.item(self.currentIndex().row())
        thumbnail = self._thumbnails.get(item.path, item.modified, round(SIDE * self.devicePixelRatioF()))
        drag_file(self, item.path, self._full if item.path == self._shown else None, thumbnail)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 (Qt's name)
        index = self.indexAt(event.pos()) if event.reason() == event.Reason.Mouse else self.currentIndex()
        if index.isValid():
            self.menu_wanted.emit(self._pictures.item(index.row()).path, event.globalPos())


def drag_file(source: QWidget, path: Path, image: QImage | None, pixmap: QPixmap | None) -> None:
    """Let the user drag the real file out of the window, so that its recipe travels along."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    if image is not None:
        data.setImageData(image)
    drag = QDrag(source)
    drag.setMimeData(data)
    if pixmap is not None and not pixmap.isNull():
        drag.setPixmap(pixmap)
    drag.exec(Qt.DropAction.CopyAction)
