"""The downloads under the list of models: how each is going, and what can be done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from desktop_app.studio.downloads import Download, Downloads
from desktop_app.ui import theme
from desktop_app.ui.download_texts import state_text
from desktop_app.ui.translate import translated
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import ElidedLabel, label
from desktop_app.ui.widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMessageBox

HIGHEST = 168
"""Of the panel, in px; more than that scrolls."""
ASK_FROM = 50_000_000
"""Bytes that are not thrown away without a question."""


class DownloadPanel(QScrollArea):
    """One card for each download; there is no panel while there are none."""

    show_wanted = Signal(object)
    """Path of a finished download that shall be shown in the list of models."""

    def __init__(self, downloads: Downloads, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._downloads = downloads
        self.cards: dict[Download, DownloadCard] = {}
        self.box: QMessageBox | None = None
        page = QWidget()
        page.setProperty("role", "panel")
        self._column = QVBoxLayout(page)
        self._column.setContentsMargins(theme.M, theme.S, theme.M, theme.S)
        self._column.setSpacing(theme.XS)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(page)
        downloads.changed.connect(self.refresh)
        downloads.progressed.connect(self._progressed)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the list as it stands, the newest first."""
        entries = list(reversed(self._downloads.entries))
        for entry in [entry for entry in self.cards if entry not in entries]:
            card = self.cards.pop(entry)
            self._column.removeWidget(card)
            card.deleteLater()
        for place, entry in enumerate(entries):
            if entry not in self.cards:
                self.cards[entry] = self._card(entry)
                self._column.insertWidget(place, self.cards[entry])
            self.cards[entry].refresh()
        self.setVisible(bool(entries))
        self._fit()

    def _card(self, entry: Download) -> DownloadCard:
        card = DownloadCard(entry)
        card.main.clicked.connect(lambda: self._act(entry))
        card.away.clicked.connect(lambda: self._away(entry))
        return card

    def _fit(self) -> None:
        """As high as its cards, whose errors wrap, up to :data:`HIGHEST`."""
        self._column.activate()
        wrapped = self._column.heightForWidth(self.viewport().width()) if self._column.hasHeightForWidth() else 0
        self.setFixedHeight(min(HIGHEST, max(wrapped, self._column.sizeHint().height())))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        super().resizeEvent(event)
        self._fit()

    @Slot(object)
    def _progressed(self, entry: Download) -> None:
        if entry in self.cards:
            self.cards[entry].refresh()

    def _act(self, entry: Download) -> None:
        match entry.state:
            case "finished":
                self.show_wanted.emit(entry.path)
            case "paused" | "failed":
                self._downloads.resume(entry)
            case _:
                self._downloads.pause(entry)

    def _away(self, entry: Download) -> None:
        if entry.state == "finished" or entry.progress.done < ASK_FROM:
            self._downloads.remove(entry)
            return
        from PySide6.QtWidgets import QMessageBox  # not needed before somebody cancels

        text = self.tr("Throw away what has come of {name}?").format(name=entry.work.choice.name)
        box = self.box = QMessageBox(QMessageBox.Icon.NoIcon, self.tr("Cancel the download?"), text, parent=self)
        box.setInformativeText(self.tr("Paused, it can go on later from where it is."))
        throw = box.addButton(self.tr("Throw away"), QMessageBox.ButtonRole.AcceptRole)
        keep = box.addButton(self.tr("Keep"), QMessageBox.ButtonRole.RejectRole)
        for button, tip in (
            (throw, self.tr("Cancel the download and delete what has come.")),
            (keep, self.tr("Change nothing.")),
        ):
            button.setAccessibleName(button.text())
            button.setToolTip(tip)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        throw.clicked.connect(lambda: entry in self._downloads.entries and self._downloads.remove(entry))
        box.open()


class DownloadCard(QFrame):
    """One download."""

    def __init__(self, entry: Download, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entry = entry
        self.setProperty("role", "card")
        self.name = ElidedLabel(self._title())
        self.state = ElidedLabel("", "muted")
        self.problem = label("", "hint", wrap=True)
        self.progress = ProgressLine()
        self.progress.setAccessibleName(self.tr("Progress of {name}").format(name=entry.work.choice.name))
        self.main = IconButton("pause", "", "")
        self.away = IconButton("close", "", "")
        words = QVBoxLayout()
        words.setSpacing(2)
        for part in (self.name, self.state, self.problem, self.progress):
            words.addWidget(part)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.S, theme.XS, theme.XS, theme.S)
        row.setSpacing(theme.XS)
        row.addLayout(words, 1)
        for button in (self.main, self.away):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)

    def refresh(self) -> None:
        entry, progress = self._entry, self._entry.progress
        self.state.setText(state_text(entry))
        message = entry.message
        self.problem.setText(" ".join(filter(None, translated(message))) if message else "")
        self.problem.setVisible(message is not None)
        self.progress.set_fraction(progress.done / progress.total if progress.total else 0)
        self.progress.setVisible(entry.state != "finished")
        self._dress()

    def _title(self) -> str:
        name, title = self._entry.work.choice.name, self._entry.work.title
        return name if name == title else f"{name} · {title}"

    def _dress(self) -> None:
        match self._entry.state:
            case "finished":
                self.main.dress("eye", self.tr("Show"), self.tr("Show it in the list of models."))
            case "paused":
                self.main.dress("play", self.tr("Resume"), self.tr("Go on from where it is."))
            case "failed":
                self.main.dress("again", self.tr("Try again"), self.tr("Go on from where it is."))
            case _:
                self.main.dress("pause", self.tr("Pause"), self.tr("Let it rest; what has come stays."))
        if self._entry.state == "finished":
            self.away.dress("close", self.tr("Dismiss"), self.tr("Take it off this list; the file stays."))
        else:
            self.away.dress("close", self.tr("Cancel"), self.tr("Cancel it, and throw away what has come."))
