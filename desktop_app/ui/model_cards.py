"""Paints the models of the library as rows: preview picture, name, what it is and how large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import QCoreApplication, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from desktop_app.checkpoints.identity import ARCHITECTURES, KINDS, UNKNOWN
from desktop_app.core.messages import Message
from desktop_app.core.sizes import size_text
from desktop_app.studio.model_library import LibraryItem
from desktop_app.ui import theme
from desktop_app.ui.icons import paint_icon
from desktop_app.ui.thumbnails import Thumbnails
from desktop_app.ui.translate import translated

SIDE = 48
"""Of a preview picture, in px."""
Index = QModelIndex | QPersistentModelIndex


def what_it_is(item: LibraryItem) -> str:
    """Architecture, kind and packing in one line, as far as they are known, or what is wrong with it."""
    identity = item.identity
    if identity.problem:
        return told_of_this_file(identity.problem)[0]
    known = [ARCHITECTURES[identity.architecture]] if identity.architecture != UNKNOWN else []
    packed = {"GGUF": f"GGUF {identity.dtype}", "pickle": "pickle"}.get(identity.format, identity.quantisation)
    return " · ".join(filter(None, (*known, KINDS[identity.kind], packed)))


def told_of_this_file(problem: Message) -> tuple[str, str]:
    """(what is wrong, what to do) where the file's name stands beside it already."""
    this = QCoreApplication.translate("models", "This file")
    return translated(Message(problem.id, {**problem.values, "file": this}))


class Items(Protocol):
    """What a list shows."""

    def item(self, row: int) -> LibraryItem: ...


class ModelCards(QStyledItemDelegate):
    """One row of the list."""

    def __init__(
        self,
        items: Items,
        thumbnails: Thumbnails,
        parent: QWidget,
        side: int = SIDE,
        told: Callable[[LibraryItem], str] | None = None,
    ) -> None:
        """``side`` is the length of a preview picture in px.

        ``told`` gives what stands below the name, in the place of what it is and how large.
        """
        super().__init__(parent)
        self._items, self._side, self._told = items, side, told
        self._thumbnails = thumbnails

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:  # noqa: N802 (Qt's name)
        return QSize(240, self._side + 2 * theme.S)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        item = self._items.item(index.row())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        row = QRectF(option.rect).adjusted(theme.S, 1, -theme.S, -1)
        self._paint_ground(painter, row, option.state)
        picture = QRectF(row.left() + theme.S, row.center().y() - self._side / 2, self._side, self._side)
        self._paint_picture(painter, picture, item)
        self._paint_texts(painter, row.adjusted(self._side + theme.S + theme.M, theme.XS, -theme.M, -theme.XS), item)
        painter.restore()

    def _paint_ground(self, painter: QPainter, row: QRectF, state: QStyle.StateFlag) -> None:
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if not chosen and not state & QStyle.StateFlag.State_MouseOver:
            return
        outline = QPainterPath()
        outline.addRoundedRect(row, 6, 6)
        painter.fillPath(outline, theme.color("raised"))
        if chosen:
            painter.fillRect(QRectF(row.left(), row.top() + 6, 3, row.height() - 12), theme.color("accent"))

    def _paint_picture(self, painter: QPainter, box: QRectF, item: LibraryItem) -> None:
        outline = QPainterPath()
        outline.addRoundedRect(box, 4, 4)
        pixmap = self._pixmap(item, round(2 * self._side * painter.device().devicePixelRatioF()))
        if pixmap is None or pixmap.isNull():
            painter.fillPath(outline, theme.color("panel"))
            icon = "alert" if item.identity.problem else "models"
            paint_icon(painter, icon, QRectF(box.center().x() - 10, box.center().y() - 10, 20, 20), "faint")
            return
        painter.setClipPath(outline)
        painter.drawPixmap(box, pixmap, _middle_square(pixmap))
        painter.setClipping(False)

    def _pixmap(self, item: LibraryItem, side: int) -> QPixmap | None:
        preview = item.notes.preview
        return self._thumbnails.get(preview, 0.0, side) if preview else None

    def _paint_texts(self, painter: QPainter, area: QRectF, item: LibraryItem) -> None:
        size = "" if self._told else size_text(item.identity.size or None)
        top, bottom = QRectF(area), QRectF(area)
        top.setHeight(area.height() / 2)
        bottom.setTop(area.top() + area.height() / 2)
        font = painter.font()
        painter.setFont(theme.sized(font, theme.FONT, bold=True))
        _draw(painter, top, item.name, "text")
        painter.setFont(theme.sized(font, theme.FONT_SMALL))
        width = painter.fontMetrics().horizontalAdvance(size)
        painter.setPen(theme.color("muted"))
        painter.drawText(bottom, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, size)
        bottom.setRight(bottom.right() - width - theme.M)
        _draw(painter, bottom, (self._told or what_it_is)(item), "error" if item.identity.problem else "muted")


def _draw(painter: QPainter, area: QRectF, text: str, role: str) -> None:
    """One line, cut to "…" where there is no room."""
    painter.setPen(theme.color(role))
    text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(area.width()))
    painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)


def _middle_square(pixmap: QPixmap) -> QRectF:
    side = min(pixmap.width(), pixmap.height())
    return QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side)
