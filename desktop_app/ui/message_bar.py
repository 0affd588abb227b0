"""Errors and notices above the canvas: what happened, what to do, details for those who want them."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import breakable, label, selectable

NOTICE_MS = 8000


class MessageBar(QFrame):
    """One message at a time: an error stays until it is dismissed, a notice leaves by itself."""

    report_wanted = Signal()
    undo_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = label("", "strong", wrap=True)
        self.remedy = selectable("", "muted")
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setMaximumHeight(140)
        self.details.setAccessibleName(self.tr("Details of the error"))
        self.details.setToolTip(self.tr("The technical details, for a report."))
        self.details_button = self._button(self.tr("Details"), self.tr("Show or hide the technical details."))
        self.report_button = self._button(self.tr("Copy report"), self.tr("Copy what a maintainer needs to know."))
        self.undo_button = self._button(self.tr("Undo"), self.tr("Put back what stood in the controls before."))
        self.close_button = IconButton("close", self.tr("Dismiss"), self.tr("Dismiss this message."))
        self._lay_out()
        self.details_button.clicked.connect(self._toggle_details)
        self.report_button.clicked.connect(self.report_wanted)
        self.undo_button.clicked.connect(self._undo)
        self.close_button.clicked.connect(self.hide)
        self._timer = QTimer(self, singleShot=True, interval=NOTICE_MS)
        self._timer.timeout.connect(self.hide)
        self.hide()

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setAccessibleName(text)
        button.setToolTip(tip)
        return button

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.text)
        words.addWidget(self.remedy)
        row = QHBoxLayout()
        row.setSpacing(theme.S)
        row.addLayout(words, 1)
        for button in (self.details_button, self.report_button, self.undo_button, self.close_button):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.L, theme.S, theme.S, theme.S)
        column.addLayout(row)
        column.addWidget(self.details)

    @property
    def is_error(self) -> bool:
        return self.isVisible() and self.property("role") == "error"

    def show_error(self, text: str, remedy: str, details: str) -> None:
        """Say what went wrong and what to do about it."""
        self._show("error", text, remedy)
        self.details.setPlainText(details)
        self.details_button.setVisible(bool(details))
        self.report_button.show()

    def show_notice(self, text: str, remedy: str = "", *, undo: bool = False) -> None:
        """Say something that stops nothing; an error that is still there stays."""
        if self.is_error:
            return
        self._show("notice", text, remedy)
        self._timer.start()
        self.undo_button.setVisible(undo)

    def _show(self, role: str, text: str, remedy: str) -> None:
        self._timer.stop()
        theme.set_role(self, role)
        self.text.setText(breakable(text))
        self.remedy.setText(remedy)
        self.remedy.setVisible(bool(remedy))
        for part in (self.details, self.details_button, self.report_button, self.undo_button):
            part.hide()
        self.setAccessibleName(f"{text} {remedy}".strip())
        self.show()

    @Slot()
    def _toggle_details(self) -> None:
        self.details.setVisible(not self.details.isVisible())

    @Slot()
    def _undo(self) -> None:
        self.hide()
        self.undo_wanted.emit()
