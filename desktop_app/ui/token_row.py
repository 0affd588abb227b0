"""Asks for the token of a site; what is typed is never shown."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.labels import selectable

PAGES = {
    "huggingface": ("Hugging Face", "https://huggingface.co/settings/tokens"),
    "civitai": ("Civitai", "https://civitai.com/user/account"),
}
"""Site: its name, and the page on which a token is made."""


class TokenRow(QFrame):
    """Hidden until somebody needs it."""

    given = Signal(str, str)
    """(site, token)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._site = ""
        self.setProperty("role", "card")
        self.about = selectable("", "muted")
        self.field = QLineEdit()
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setPlaceholderText(self.tr("Token"))
        self.field.setAccessibleName(self.tr("Token"))
        self.field.setToolTip(self.tr("It is kept for you alone, and sent to this site only."))
        self.keep = QPushButton(self.tr("Keep and look up again"))
        self.keep.setAccessibleName(self.keep.text())
        self.keep.setToolTip(self.tr("Keep the token, and ask the server once more with it."))
        self.keep.setAutoDefault(False)
        row = QHBoxLayout()
        row.setSpacing(theme.S)
        row.addWidget(self.field, 1)
        row.addWidget(self.keep)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.M, theme.S, theme.M, theme.M)
        column.setSpacing(theme.S)
        column.addWidget(self.about)
        column.addLayout(row)
        self.keep.clicked.connect(self._give)
        self.field.returnPressed.connect(self._give)
        self.hide()

    def ask_for(self, site: str) -> None:
        """Ask for the token of ``site``, a key of :data:`PAGES`."""
        self._site = site
        name, page = PAGES[site]
        text = self.tr(
            "{name} wants to know who asks. Enter a token of your account, unless you did before; one is made at {page}"
        )
        self.about.setText(text.format(name=name, page=page))
        self.show()

    @Slot()
    def _give(self) -> None:
        if self.field.text().strip():
            self.given.emit(self._site, self.field.text())
            self.field.clear()
