"""Number rows of the left column, each tied to one field of the draft."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget

from desktop_app.studio.draft import Draft
from desktop_app.ui.widgets.labelled_slider import LabelledSlider


class NumberRow(LabelledSlider):
    """Shows the field ``name`` of the draft with its limits, and writes to it."""

    def __init__(
        self,
        draft: Draft,
        name: str,
        text: str,
        tip: str,
        *,
        usual: tuple[float, float],
        step: float = 1,
        unit: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, tip, usual=usual, step=step, unit=unit, parent=parent)
        self._draft = draft
        self._name = name
        self.edited.connect(lambda value: draft.set_value(name, value))
        self.reset.connect(lambda: draft.reset(name))
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self.refresh)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        self.set_limits(*self._draft.limits(self._name))
        self.set_value(self._draft.value(self._name))

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        if name in (self._name, "scheduler"):  # some schedulers take fewer steps
            self.refresh()
