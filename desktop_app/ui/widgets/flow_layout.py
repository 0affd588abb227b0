"""Widgets side by side, in as many rows as it takes."""

from __future__ import annotations

from PySide6.QtCore import QMargins, QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """Left to right (or as the language runs), wrapping like text; ``centred`` puts each row in the middle."""

    def __init__(self, parent: QWidget | None = None, *, spacing: int = 8, centred: bool = False) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._centred = centred
        self.setSpacing(spacing)
        self.setContentsMargins(QMargins())

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802 (Qt's name)
        self._items.append(item)

    def count(self) -> int:
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 (Qt's name)
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 (Qt's name)
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802 (Qt's name)
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 (Qt's name)
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 (Qt's name)
        return sum(height for _, height in self._rows(width)) + self.spacing() * max(0, len(self._rows(width)) - 1)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        return self.minimumSize()

    def minimumSize(self) -> QSize:  # noqa: N802 (Qt's name)
        hints = [item.minimumSize() for item in self._shown()]
        return QSize(max((h.width() for h in hints), default=0), max((h.height() for h in hints), default=0))

    def setGeometry(self, rect: QRect) -> None:  # noqa: N802 (Qt's name)
        super().setGeometry(rect)
        parent = self.parentWidget()
        right_to_left = parent is not None and parent.isRightToLeft()
        y = rect.y()
        for row, height in self._rows(rect.width()):
            used = sum(self._width(item, rect.width()) for item in row) + self.spacing() * (len(row) - 1)
            x = rect.x() + (max(0, rect.width() - used) // 2 if self._centred else 0)
            for item in row:
                width = self._width(item, rect.width())
                left = rect.right() + 1 - (x - rect.x()) - width if right_to_left else x
                item.setGeometry(QRect(QPoint(left, y), QSize(width, item.sizeHint().height())))
                x += width + self.spacing()
            y += height + self.spacing()

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    @staticmethod
    def _width(item: QLayoutItem, most: int) -> int:
        return min(item.sizeHint().width(), most)

    def _rows(self, width: int) -> list[tuple[list[QLayoutItem], int]]:
        """(items, height) of each row."""
        rows: list[list[QLayoutItem]] = []
        used = 0
        for item in self._shown():
            needed = self._width(item, width)
            if not rows or used + self.spacing() + needed > width:
                rows.append([item])
                used = needed
            else:
                rows[-1].append(item)
                used += self.spacing() + needed
        return [(row, max(item.sizeHint().height() for item in row)) for row in rows]


def delete_all(layout: QLayout) -> None:
    """Empty ``layout`` and delete the widgets that were in it."""
    while item := layout.takeAt(0):
        widget = item.widget()
        if widget is not None:
            widget.hide()  # deletion waits for the event loop; until then it must not show through
            widget.deleteLater()
