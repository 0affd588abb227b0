"""The prompt as the model's tokenizer reads it: every token with its weight, where chunks end, and what is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRect, Qt, Slot
from PySide6.QtGui import QColor, QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QVBoxLayout, QWidget

from desktop_app.prompt.chunks import Token
from desktop_app.studio.token_reader import TokenReader, TokenReading
from desktop_app.ui import theme
from desktop_app.ui.widgets.fold import Fold

MOST = 1000
"""Tokens that are shown; whoever has more reads the number."""
GAP = 3
PADDING = 4


@dataclass(frozen=True, slots=True)
class _Box:
    """One token, or the heading of a chunk (without a token), where it is painted."""

    place: QRect
    text: str
    token: Token | None = None
    cut: bool = False


class TokenStrip(QWidget):
    """A line that says how many tokens there are, and under it the tokens themselves; hidden where none are known."""

    def __init__(self, reader: TokenReader, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reader = reader
        self.view = TokenView()
        self.fold = Fold(
            self.tr("Tokens"),
            self.tr("Show or hide how the model's tokenizer reads the prompt."),
            self.view,
            opened=False,
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.fold)
        reader.changed.connect(self._show)
        self._show()

    @Slot()
    def _show(self) -> None:
        reading = self._reader.reading
        self.setVisible(reading is not None)
        if reading is not None:
            self.fold.set_note(self._note(reading))
            self.view.show_reading(reading)

    def _note(self, reading: TokenReading) -> str:
        if reading.cut:
            return self.tr("{count} of {room}, {cut} cut off").format(
                count=reading.count, room=reading.room, cut=len(reading.cut)
            )
        if len(reading.chunks) > 1:
            return self.tr("{count} in {chunks} chunks").format(count=reading.count, chunks=len(reading.chunks))
        return self.tr("{count} of {room}").format(count=reading.count, room=reading.room)


class TokenView(QWidget):
    """Tokens in rows, each chunk from a new one on; as high as they need."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reading: TokenReading | None = None
        self._boxes: list[_Box] = []
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFont(theme.sized(self.font(), theme.FONT_SMALL))
        self.setAccessibleName(self.tr("Tokens of the prompt"))

    def show_reading(self, reading: TokenReading) -> None:
        """Show other tokens."""
        self._reading = reading
        self.setAccessibleDescription(" ".join(token.text for chunk in reading.chunks for token in chunk))
        self._place()

    def boxes(self) -> list[tuple[QRect, str]]:
        """(place, text) of all that is painted."""
        return [(box.place, box.text) for box in self._boxes]

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._place()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for box in self._boxes:
            if event.rect().intersects(box.place):
                _paint(painter, box)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            box = next((box for box in self._boxes if box.place.contains(event.pos())), None)
            QToolTip.showText(event.globalPos(), self._tip(box) if box else "", self)
            return True
        return super().event(event)

    def _tip(self, box: _Box) -> str:
        if box.token is None:
            return self.tr("The model's text encoder reads each chunk by itself.")
        if box.cut:
            return self.tr("The model does not read this any more.")
        weight = f"{box.token.weight:g}"
        if box.token.learned:
            number = box.token.vector + 1
            return self.tr("Learned vector {number}, weight {weight}").format(number=number, weight=weight)
        return self.tr("Token {id}, weight {weight}").format(id=box.token.id, weight=weight)

    def _place(self) -> None:
        self._boxes = list(self._placed(self.width())) if self._reading else []
        bottom = self._boxes[-1].place.bottom() + 1 if self._boxes else 0
        self.setFixedHeight(bottom)
        self.update()

    def _placed(self, width: int) -> Iterator[_Box]:
        assert self._reading is not None
        metrics = self.fontMetrics()
        height = metrics.height() + PADDING
        at = QPoint(0, 0)
        for token, text, cut in _shown(self._reading, self.tr("Chunk {number}")):
            wide = min(width, metrics.horizontalAdvance(text) + 2 * PADDING)
            heading = token is None
            if at.x() and (heading or at.x() + wide > width):
                at = QPoint(0, at.y() + height + GAP)
            yield _Box(QRect(at.x(), at.y(), wide, height), text, token, cut)
            at = QPoint(0, at.y() + height + GAP) if heading else QPoint(at.x() + wide + GAP, at.y())


def _shown(reading: TokenReading, heading: str) -> Iterator[tuple[Token | None, str, bool]]:
    """(token, text, whether it is cut off) in order; a chunk's heading has no token."""
    left = MOST
    for number, chunk in enumerate(reading.chunks, start=1):
        if len(reading.chunks) > 1 and left:
            yield None, heading.format(number=number), False
        for token in chunk[:left]:
            yield token, token.text or "·", False
        left = max(0, left - len(chunk))
    for token in reading.cut[:left]:
        yield token, token.text, True


def _paint(painter: QPainter, box: _Box) -> None:
    """A token on a ground that says its weight: warmer where it is more, an outline alone where it is less."""
    text = QFontMetrics(painter.font()).elidedText(box.text, Qt.TextElideMode.ElideRight, box.place.width())
    if box.token is None or box.cut:
        painter.setPen(theme.color("muted" if box.token is None else "faint"))
        painter.drawText(box.place, Qt.AlignmentFlag.AlignCenter, text)
        if box.cut:
            middle = box.place.center().y()
            painter.drawLine(box.place.left() + PADDING, middle, box.place.right() - PADDING, middle)
        return
    painter.setPen(theme.color("line"))
    painter.setBrush(_ground(box.token.weight))
    painter.drawRoundedRect(box.place.adjusted(0, 0, -1, -1), PADDING, PADDING)
    painter.setPen(theme.color("text"))
    painter.drawText(box.place, Qt.AlignmentFlag.AlignCenter, text)


def _ground(weight: float) -> QColor:
    if weight == 1:
        return theme.color("raised")
    color = theme.color("accent" if weight > 1 else "panel")
    color.setAlphaF(min(0.5, 0.12 + 0.5 * (weight - 1)) if weight > 1 else 1.0)
    return color
