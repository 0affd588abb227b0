"""The thin rail at the far left: switches between the workspaces."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QFrame, QVBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.widgets.icon_button import IconButton

CREATE, MODELS = "create", "models"


class Rail(QFrame):
    """One button for each workspace, of which one is down."""

    chosen = Signal(str)
    """Key of the workspace that the user wants."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "left")
        self.buttons = {
            CREATE: IconButton("create", self.tr("Create"), self.tr("Make pictures and films."), checkable=True),
            MODELS: IconButton("models", self.tr("Models"), self.tr("See and choose your models."), checkable=True),
        }
        self._group = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.XS, theme.XS, theme.XS, theme.S)
        column.setSpacing(theme.XS)
        for button in self.buttons.values():
            self._group.addButton(button)
            column.addWidget(button)
        column.addStretch(1)
        self.setSizePolicy(self.sizePolicy().Policy.Fixed, self.sizePolicy().Policy.Expanding)
        self.show_chosen(CREATE)
        self._group.buttonToggled.connect(self._toggled)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def show_chosen(self, key: str) -> None:
        """Press the button of ``key`` without emitting :attr:`chosen`."""
        with QSignalBlocker(self._group):
            self.buttons[key].setChecked(True)

    @Slot(QAbstractButton, bool)
    def _toggled(self, button: QAbstractButton, down: bool) -> None:
        if down:
            self.chosen.emit(next(key for key, known in self.buttons.items() if known is button))
