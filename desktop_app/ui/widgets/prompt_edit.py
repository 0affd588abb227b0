"""A text box that grows with its text, up to six lines, and can underline words or colour them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, Signal, Slot
from PySide6.QtGui import QHelpEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QSizePolicy, QTextEdit, QToolTip, QWidget

from desktop_app.ui import theme

MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class Mark:
    """A dotted line under ``length`` characters from ``start``, or another colour for them."""

    start: int
    length: int
    color: str
    """Name of a token of the theme."""
    tip: str = ""
    """Explains the mark where the pointer rests."""
    underlined: bool = True
    """Else the characters themselves have the colour."""


class PromptEdit(QPlainTextEdit):
    """Plain text; Tab moves on to the next control."""

    edited = Signal(str)
    """The user changed the text."""

    def __init__(self, name: str, tip: str, *, least_lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._least = least_lines
        self._tip = tip
        self._marks: list[tuple[int, int, Mark]] = []
        self.setAccessibleName(name)
        self.setAccessibleDescription(tip)
        self.setTabChangesFocus(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFont(theme.sized(self.font(), theme.FONT_LARGE))
        self.document().setDocumentMargin(4)
        layout = self.document().documentLayout()
        layout.documentSizeChanged.connect(self._grow, Qt.ConnectionType.QueuedConnection)  # never amid another layout
        self.textChanged.connect(self._text_changed)
        self._grow()

    def set_text(self, text: str) -> None:
        """Replace the text; Ctrl+Z brings the old one back."""
        if text == self.toPlainText():
            return
        cursor = QTextCursor(self.document())
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(text)

    def mark(self, marks: Sequence[Mark]) -> None:
        """Underline these words, and no others any more."""
        text = self.toPlainText()
        self._marks = [(*_utf16_span(text, mark.start, mark.length), mark) for mark in marks]
        self._underline()

    def _underline(self) -> None:
        selections = []
        for start, end, mark in self._marks:
            look = QTextCharFormat()
            if mark.underlined:
                look.setUnderlineStyle(QTextCharFormat.UnderlineStyle.DotLine)
                look.setUnderlineColor(theme.color(mark.color))
            else:
                look.setForeground(theme.color(mark.color))
            selection = QTextEdit.ExtraSelection()
            selection.cursor = QTextCursor(self.document())
            selection.cursor.setPosition(start)
            selection.cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            selection.format = look
            selections.append(selection)
        self.setExtraSelections(selections)

    def selected(self) -> tuple[int, int]:
        """(start, end) of the selection in characters; the cursor's place twice where nothing is selected."""
        cursor, text = self.textCursor(), self.toPlainText()
        units = text.encode("utf-16-le", "surrogatepass")
        start, end = (
            len(units[: 2 * place].decode("utf-16-le", "replace"))
            for place in (cursor.selectionStart(), cursor.selectionEnd())
        )
        return start, end

    def replace(self, start: int, end: int, text: str, selection: tuple[int, int]) -> None:
        """Put ``text`` in the place of some characters, which Ctrl+Z undoes, and select those of ``selection``."""
        cursor = self.textCursor()
        self._select(cursor, start, end)
        cursor.insertText(text)
        self._select(cursor, *selection)
        self.setTextCursor(cursor)

    def _select(self, cursor: QTextCursor, start: int, end: int) -> None:
        first, last = _utf16_span(self.toPlainText(), start, end - start)
        cursor.setPosition(first)
        cursor.setPosition(last, QTextCursor.MoveMode.KeepAnchor)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        return QSize(super().sizeHint().width(), self.height())

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 (Qt's name)
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:  # another theme
            self._underline()

    def canInsertFromMimeData(self, source: QMimeData) -> bool:  # noqa: N802 (Qt's name)
        """A dropped file is for the window, not for the text."""
        return not source.hasUrls() and super().canInsertFromMimeData(source)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.tip_at(event), self)
            return True
        return super().event(event)

    def tip_at(self, event: QHelpEvent) -> str:
        """The explanation of the marked word under the pointer, else the box's own."""
        at = self.cursorForPosition(self.viewport().mapFrom(self, event.pos())).position()
        return next((mark.tip for start, end, mark in self._marks if mark.tip and start <= at <= end), self._tip)

    @Slot()
    def _grow(self) -> None:
        lines = min(MOST_LINES, max(self._least, int(self.document().size().height())))
        margins = self.contentsMargins()
        extra = margins.top() + margins.bottom() + 2 * int(self.document().documentMargin())
        self.setFixedHeight(lines * self.fontMetrics().lineSpacing() + extra)

    @Slot()
    def _text_changed(self) -> None:
        self.edited.emit(self.toPlainText())


def _utf16_span(text: str, start: int, length: int) -> tuple[int, int]:
    """(start, end) as the text document counts: in UTF-16 code units."""
    before = len(text[:start].encode("utf-16-le", "surrogatepass")) // 2
    return before, before + len(text[start : start + length].encode("utf-16-le", "surrogatepass")) // 2
