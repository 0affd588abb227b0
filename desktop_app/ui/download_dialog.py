"""Paste a link, see what it leads to, choose a folder, start."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.messages import Message
from desktop_app.core.sizes import size_text
from desktop_app.download.links import shown
from desktop_app.download.offer import Choice, Offer
from desktop_app.studio.downloads import Downloads
from desktop_app.ui import theme
from desktop_app.ui.token_row import TokenRow
from desktop_app.ui.translate import translated
from desktop_app.ui.widgets.calm import CalmComboBox
from desktop_app.ui.widgets.info_table import InfoTable
from desktop_app.ui.widgets.labels import label
from desktop_app.ui.widgets.scroll import scrolling

WANTS_TOKEN = tuple(f"download.{id}" for id in ("sign-in", "token", "gated", "forbidden", "no-repository"))
"""Messages that a token may help against."""


class DownloadDialog(QDialog):
    """Closes when a download begins; the list of the workspace shows how it goes."""

    def __init__(self, downloads: Downloads, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._downloads = downloads
        self._offer: Offer | None = None
        self.setWindowTitle(self.tr("Download a model"))
        self.resize(560, 500)
        self._make_parts()
        self._lay_out()
        self._connect()
        self._show_offer(None)

    # -- making

    def _make_parts(self) -> None:
        self.link = QLineEdit()
        self.link.setPlaceholderText(self.tr("owner/name, or a link"))
        self.link.setAccessibleName(self.tr("Repository or link"))
        self.link.setToolTip(
            self.tr("A repository of Hugging Face, a link to it or to a file in it, a link of Civitai, or any other.")
        )
        self.link.setClearButtonEnabled(True)
        self.ask = _button(self.tr("Look up"), self.tr("Ask the server what this is. Nothing is downloaded yet."))
        self.welcome = label(
            self.tr(
                "A repository of Hugging Face, as owner/name; a link to one, or to a folder or file in it; a link of "
                "Civitai; or any other link to a model file. What it is and how large is said before anything is "
                "downloaded."
            ),
            "muted",
            wrap=True,
        )
        self.problem = label("", "hint", wrap=True)
        self.title = label("", "large", wrap=True)
        self.table = InfoTable()
        self.table.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)  # scrolls before it is cut
        self.choice = CalmComboBox()
        self.choice.setAccessibleName(self.tr("What to download"))
        self.choice.setToolTip(self.tr("This model comes in several files; most people want one of them."))
        self.careful = label(
            self.tr("Its weights are pickled: programs that load such files may run code that is in them."),
            "hint",
            wrap=True,
        )
        self.token = TokenRow()
        self.folder = QLineEdit(str(self._downloads.folder))
        self.folder.setAccessibleName(self.tr("Folder"))
        self.folder.setToolTip(self.tr("Where it will be, whole and under its own name."))
        self.browse = _button(self.tr("Choose…"), self.tr("Choose the folder."))
        self.close_button = _button(self.tr("Close"), self.tr("Close this window. Nothing is downloaded."))
        self.start = _button(self.tr("Download"), self.tr("Begin the download; it can be paused at any time."))

    def _lay_out(self) -> None:
        page = QWidget()
        page.setProperty("role", "panel")
        column = QVBoxLayout(page)
        column.setContentsMargins(theme.XL, theme.L, theme.XL, theme.L)
        column.setSpacing(theme.M)
        column.addLayout(_row(self.link, self.ask))
        for part in (self.welcome, self.problem, self.token, self.title, self.table, self.choice, self.careful):
            column.addWidget(part)
        self.into = QWidget()
        into = QVBoxLayout(self.into)
        into.setContentsMargins(0, 0, 0, 0)
        into.setSpacing(theme.XS)
        caption = label(self.tr("Into the folder"), "muted")
        caption.setBuddy(self.folder)
        into.addWidget(caption)
        into.addLayout(_row(self.folder, self.browse))
        column.addWidget(self.into)
        column.addStretch(1)
        foot = QFrame()
        foot.setProperty("role", "foot")
        buttons = QHBoxLayout(foot)
        buttons.setContentsMargins(theme.XL, theme.M, theme.XL, theme.M)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.start)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(scrolling(page), 1)
        whole.addWidget(foot)

    def _connect(self) -> None:
        self.link.returnPressed.connect(self._ask)
        self.link.textEdited.connect(self._edited)
        self.ask.clicked.connect(self._ask)
        self.choice.currentIndexChanged.connect(self._show_choice)
        self.folder.textChanged.connect(self._enable)
        self.browse.clicked.connect(self._browse)
        self.close_button.clicked.connect(self.reject)
        self.start.clicked.connect(self._start)
        self.token.given.connect(self._downloads.keep_token)
        self.finished.connect(self._downloads.stop_asking)
        self._downloads.token_kept.connect(self._token_kept)
        self._downloads.found.connect(self._show_offer)
        self._downloads.not_found.connect(self._show_problem)

    # -- asking

    @Slot()
    def _ask(self) -> None:
        if not self.link.text().strip():
            return
        self._show_offer(None)
        self.problem.setText(self.tr("Asking the server…"))
        theme.set_role(self.problem, "muted")
        self.problem.show()
        self.welcome.hide()
        self.ask.setEnabled(False)
        self._downloads.look_up(self.link.text())

    @Slot()
    def _edited(self) -> None:
        """Another link is another question; what was shown is not what would be downloaded."""
        if self._offer is not None or not self.ask.isEnabled():
            self._show_offer(None)

    @Slot(str)
    def _token_kept(self, where: str) -> None:
        kept = {
            "keyring": self.tr("The token is kept in the keyring of your system."),
            "file": self.tr("The token is kept in a file that only you can read."),
        }
        self._ask()
        self.problem.setText(" ".join((kept[where], self.problem.text())))

    # -- showing

    @Slot(object)
    def _show_offer(self, offer: Offer | None) -> None:
        self._offer = offer
        self.ask.setEnabled(True)
        for part in (self.problem, self.token, self.careful):
            part.hide()
        self.welcome.setVisible(offer is None)
        for part in (self.title, self.table, self.into):
            part.setVisible(offer is not None)
        self.choice.clear()
        if offer is not None:
            self.title.setText(offer.title)
            self._fill_choices(offer)
            if offer.gated:
                self.token.ask_for(offer.site)
        self.choice.setVisible(self.choice.count() > 1)
        self._show_choice()

    def _fill_choices(self, offer: Offer) -> None:
        if offer.preferred is None:
            self.choice.addItem(self.tr("Choose one of %n files…", "", len(offer.choices)), None)
        for choice in offer.choices:
            size = size_text(choice.size)
            self.choice.addItem(f"{choice.name} · {size}" if size else choice.name, choice)

    @Slot()
    def _show_choice(self) -> None:
        choice = self._chosen()
        self.careful.setVisible(choice is not None and choice.pickled)
        if self._offer is not None:
            self.table.show_pairs(self._pairs(self._offer, choice))
        self._enable()

    def _pairs(self, offer: Offer, choice: Choice | None) -> list[tuple[str, str]]:
        size = (size_text(choice.size) or self.tr("the server does not say")) if choice else ""
        files = self.tr("%n files", "", len(choice.files)) if choice and choice.folder else ""
        pairs = [
            (self.tr("Takes"), " · ".join(filter(None, (choice.name, files))) if choice else ""),
            (self.tr("Size"), size),
            (self.tr("Made for"), offer.base_model),
            (self.tr("Licence"), offer.licence or self.tr("not said; look on its page")),
            (self.tr("Access"), self.tr("its owner wants your agreement first, on its page") if offer.gated else ""),
            (self.tr("Page"), shown(offer.page)),
        ]
        return [(name, value) for name, value in pairs if value]

    @Slot(object)
    def _show_problem(self, message: Message) -> None:
        self._show_offer(None)
        self.problem.setText(" ".join(filter(None, translated(message))))
        theme.set_role(self.problem, "hint")
        self.problem.show()
        self.welcome.hide()
        if message.id in WANTS_TOKEN and (site := self._downloads.site_of(self.link.text())):
            self.token.ask_for(site)

    def _enable(self) -> None:
        self.start.setEnabled(self._chosen() is not None and bool(self.folder.text().strip()))

    def _chosen(self) -> Choice | None:
        return self.choice.currentData() if self._offer else None

    # -- doing

    @Slot()
    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Folder for the model"), self.folder.text())
        if folder:
            self.folder.setText(folder)

    @Slot()
    def _start(self) -> None:
        choice = self._chosen()
        if self._offer is not None and choice is not None:
            self._downloads.start(self._offer, choice, Path(self.folder.text().strip()).expanduser().absolute())
            self.accept()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        super().showEvent(event)
        self.link.setFocus()


def _row(field: QLineEdit, button: QPushButton) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(theme.S)
    row.addWidget(field, 1)
    row.addWidget(button)
    return row


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setAccessibleName(text.removesuffix("…"))
    button.setToolTip(tip)
    button.setAutoDefault(False)  # Return looks the link up; it presses no button
    return button
