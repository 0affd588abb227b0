"""The rows under "Advanced": the scheduler and how its noise levels are spread."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop_app.core.catalog import SCHEDULE_TYPES, SCHEDULERS
from desktop_app.studio.draft import Draft
from desktop_app.ui import theme
from desktop_app.ui.controls import ComboRow
from desktop_app.ui.translate import translated_label


class SchedulerRows(QWidget):
    """Offers what the chosen model takes; the schedule only where there is a choice."""

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self.scheduler_row = ComboRow(
            self.tr("Scheduler"), self.tr("The method that takes the steps (also called sampler).")
        )
        self.schedule_row = ComboRow(self.tr("Schedule"), self.tr("How the noise levels are spread over the steps."))
        self.rows = (self.scheduler_row, self.schedule_row)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        for row in self.rows:
            column.addWidget(row)
        self.scheduler_row.chosen.connect(lambda key: draft.set_value("scheduler", key))
        self.schedule_row.chosen.connect(lambda key: draft.set_value("schedule_type", key))
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self._facts_changed)
        self._facts_changed()

    @Slot()
    def _facts_changed(self) -> None:
        keys = self._draft.facts.schedulers if self._draft.facts else ()
        combo = self.scheduler_row.combo
        combo.clear()
        for key in keys:
            combo.addItem(SCHEDULERS[key].label, key)
            about = translated_label("schedulers", SCHEDULERS[key].about)
            combo.setItemData(combo.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        self._draft_changed("scheduler")

    def _offer_schedule_types(self) -> None:
        scheduler = SCHEDULERS.get(self._draft.value("scheduler"))
        types = scheduler.schedule_types if scheduler else ()
        combo = self.schedule_row.combo
        combo.clear()
        for key in types:
            text, about = SCHEDULE_TYPES[key]
            combo.addItem(translated_label("schedulers", text), key)
            about = translated_label("schedulers", about)
            combo.setItemData(combo.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        self.schedule_row.setVisible(len(types) > 1)

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        if name == "scheduler":
            self.scheduler_row.show_chosen(self._draft.value("scheduler"))
            self._offer_schedule_types()
        if name in ("scheduler", "schedule_type"):
            self.schedule_row.show_chosen(self._draft.value("schedule_type"))
