"""One LoRA of the prompt: switched on and off, weighed, taken out, and the words it was taught."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QVBoxLayout, QWidget

from desktop_app.prompt.tags import LoraTag
from desktop_app.ui.widgets.chip import Chip
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labelled_slider import LabelledSlider
from desktop_app.ui.widgets.labels import ElidedLabel

USUAL = (0.0, 1.5)
LOWEST, HIGHEST = -10.0, 10.0
WHOLE = (1.0, 1.0)
"""Weights of one that was never on."""


class LoraRow(QWidget):
    """Its name over its weight; the text encoder's has a slider of its own where they differ, or on demand."""

    weighed = Signal(float, object)
    """(the denoiser's weight, the text encoders' or None where it is the same)."""
    removed = Signal()
    called = Signal()
    """Its words are to be in the prompt."""

    def __init__(self, tag: LoraTag, label_width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._before = WHOLE
        self._make_parts(tag.name)
        for slider in (self.weight, self.text_weight):
            slider.label.setFixedWidth(label_width)
            slider.set_limits(LOWEST, HIGHEST)
            slider.edited.connect(self._weigh)
            slider.reset.connect(lambda slider=slider: self._reset(slider))
        self._lay_out()
        self.switch.clicked.connect(self._switch)
        self.split.clicked.connect(self._split)
        self.remove.clicked.connect(self.removed)
        self.call.clicked.connect(self.called)

    def show_tag(self, tag: LoraTag) -> None:
        """Show what the prompt says."""
        if tag.weight or tag.text_weight:
            self._before = tag.weight, tag.text_weight
        with QSignalBlocker(self.switch):
            self.switch.setChecked(bool(tag.weight or tag.text_weight))
        self.split.setChecked(self.split.isChecked() or tag.text_weight != tag.weight)
        self.text_weight.setVisible(self.split.isChecked())
        self.weight.set_value(tag.weight)
        self.text_weight.set_value(tag.text_weight)

    def offer(self, words: str) -> None:
        """Offer to add ``words`` to the prompt; "" offers nothing."""
        self.call.setText(f"+ {words}")
        self.call.setAccessibleName(self.tr("Add {words}").format(words=words))
        self.call.setToolTip(
            self.tr("Add what this LoRA was taught to draw to the prompt: {words}").format(words=words)
        )
        self.call.setVisible(bool(words))

    def _make_parts(self, name: str) -> None:
        self.switch = QCheckBox()
        self.switch.setAccessibleName(self.tr("Use {name}").format(name=name))
        self.switch.setToolTip(self.tr("Switch it off for the next pictures, or on again as it was."))
        self.name = ElidedLabel(name, cut=Qt.TextElideMode.ElideMiddle)
        tip = self.tr("Weigh the text encoder by itself: how strongly the words change, and how strongly the picture.")
        self.split = IconButton("sliders", self.tr("Text weight of {name}").format(name=name), tip, checkable=True)
        tip = self.tr("Take it out of the prompt.")
        self.remove = IconButton("close", self.tr("Remove {name}").format(name=name), tip)
        tip = self.tr("How strongly the LoRA {name} counts.").format(name=name)
        self.weight = LabelledSlider(self.tr("Weight"), tip, usual=USUAL, step=0.05)
        tip = self.tr("How strongly the LoRA {name} counts in the text encoder.").format(name=name)
        self.text_weight = LabelledSlider(self.tr("Text weight"), tip, usual=USUAL, step=0.05)
        self.call = Chip("")
        self.call.hide()

    def _lay_out(self) -> None:
        heading = QHBoxLayout()
        heading.setSpacing(2)
        heading.addWidget(self.switch)
        heading.addWidget(self.name, 1)
        heading.addWidget(self.split)
        heading.addWidget(self.remove)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(heading)
        for part in (self.weight, self.text_weight, self.call):
            column.addWidget(part)

    @Slot()
    def _weigh(self) -> None:
        self.weighed.emit(self.weight.value(), self.text_weight.value() if self.split.isChecked() else None)

    def _reset(self, slider: LabelledSlider) -> None:
        slider.set_value(1.0)
        self._weigh()

    @Slot(bool)
    def _switch(self, on: bool) -> None:
        self.weighed.emit(*(self._before if on else (0.0, None)))

    @Slot(bool)
    def _split(self, apart: bool) -> None:
        self.text_weight.setVisible(apart)
        self._weigh()
