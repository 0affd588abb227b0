"""What is folded away under "Advanced": the scheduler, and what few models need."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from desktop_app.core.catalog import PROMPT_DIALECTS
from desktop_app.studio.draft import Draft
from desktop_app.ui import theme
from desktop_app.ui.controls import ComboRow
from desktop_app.ui.number_rows import NumberRow
from desktop_app.ui.scheduler_rows import SchedulerRows
from desktop_app.ui.translate import translated_label

USUAL_CLIP_SKIP = (1, 4)


class AdvancedRows(QWidget):
    """No row for what the chosen model does not know."""

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self.schedulers = SchedulerRows(draft)
        self.clip_skip = NumberRow(
            draft,
            "clip_skip",
            self.tr("Clip skip"),
            self.tr(
                "Listen to an earlier layer of the text encoder. Some models were made with 2; 1 is the last layer."
            ),
            usual=USUAL_CLIP_SKIP,
        )
        self.vae = ComboRow(
            self.tr("VAE"),
            self.tr("The autoencoder that turns latents into the picture; another one has other colours."),
        )
        self.vae.chosen.connect(lambda name: draft.set_value("vae", name))
        self.dialect = ComboRow(
            self.tr("Dialect"), self.tr("Which program's brackets and weights are understood in the prompt.")
        )
        for key, (text, about) in PROMPT_DIALECTS.items():
            self.dialect.combo.addItem(translated_label("dialects", text), key)
            tip = translated_label("dialects", about)
            self.dialect.combo.setItemData(self.dialect.combo.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.dialect.chosen.connect(lambda key: draft.set_value("prompt_dialect", key))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        for row in (self.schedulers, self.clip_skip, self.dialect, self.vae):
            column.addWidget(row)
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self._facts_changed)
        self._facts_changed()

    @property
    def labels(self) -> list[QLabel]:
        """For one column of labels."""
        return [row.label for row in (*self.schedulers.rows, self.clip_skip, self.dialect, self.vae)]

    @Slot()
    def _facts_changed(self) -> None:
        facts = self._draft.facts
        others = facts.autoencoders if facts and "vae" in facts.controls else ()
        self.vae.combo.clear()
        for name in ("", *others):
            self.vae.combo.addItem(name or self.tr("The model's own"), name)
        self.vae.setVisible(bool(others))
        self._draft_changed("vae")
        self._draft_changed("prompt_dialect")
        self.dialect.setVisible(bool(facts and "prompt_dialect" in facts.controls))
        self.clip_skip.setVisible(bool(facts and "clip_skip" in facts.controls and facts.max_clip_skip > 1))

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        if name == "prompt_dialect":
            self.dialect.show_chosen(self._draft.value("prompt_dialect"))
        if name == "vae":
            self.vae.show_chosen(self._draft.value("vae"))
