"""The model that finishes the picture, and from where on."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from desktop_app.studio.draft import Draft
from desktop_app.ui import theme
from desktop_app.ui.controls import ComboRow
from desktop_app.ui.number_rows import NumberRow

USUAL_SWITCH = (0.5, 0.95)


class RefinerRows(QWidget):
    """Shown where one of the user's models can finish what the chosen one begins, or where such a one is missed."""

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self.refiner = ComboRow(
            self.tr("Refiner"), self.tr("A second model that finishes the picture: it was taught fine detail alone.")
        )
        self.switch = NumberRow(
            draft,
            "refiner_at",
            self.tr("Switch at"),
            self.tr("Share of the noise after which the refiner goes on; 0.8 is usual. Earlier, it changes more."),
            usual=USUAL_SWITCH,
            step=0.05,
        )
        self.refiner.chosen.connect(lambda name: draft.set_value("refiner", name))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        for row in (self.refiner, self.switch):
            column.addWidget(row)
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self.refresh)
        self.refresh()

    @property
    def labels(self) -> list[QLabel]:
        """For one column of labels."""
        return [self.refiner.label, self.switch.label]

    @Slot()
    def refresh(self) -> None:
        """Offer those that fit the chosen model, and the one that is asked for even if it is gone."""
        facts, wanted = self._draft.facts, self._draft.value("refiner")
        combo = self.refiner.combo
        combo.clear()
        combo.addItem(self.tr("None"), "")
        for one in facts.refiners if facts else ():
            combo.addItem(one.name, one.key)
        if wanted and combo.findData(wanted) < 0:
            combo.addItem(self.tr("Missing: {name}").format(name=wanted), wanted)
        self.refiner.show_chosen(wanted)
        self.switch.setVisible(bool(wanted))
        self.setVisible(combo.count() > 1)

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        if name == "refiner":
            self.refresh()
