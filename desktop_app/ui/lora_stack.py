"""The LoRAs of the prompt as rows with sliders; they write the ``<lora:…>`` tags, which are what counts."""

from __future__ import annotations

from PySide6.QtCore import QStringListModel, Qt, Signal, Slot
from PySide6.QtWidgets import QCompleter, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from desktop_app.checkpoints.identity import UNKNOWN
from desktop_app.checkpoints.loras import KINDS, lora_name
from desktop_app.core.catalog import FAMILIES
from desktop_app.prompt.tags import LoraTag, lora_tags, tag_text, without_tags
from desktop_app.studio.draft import Draft
from desktop_app.studio.model_library import ModelLibrary
from desktop_app.ui import theme
from desktop_app.ui.widgets.chip import Chip
from desktop_app.ui.widgets.flow_layout import delete_all
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labelled_slider import LabelledSlider

USUAL = (0.0, 1.5)
LOWEST, HIGHEST = -10.0, 10.0
LABEL = 104
"""Width of a label in px before the column it is in is known."""


class LoraRow(QWidget):
    """One LoRA: its name, its weight, a button that takes it off, and one that says the words it was taught."""

    weighed = Signal(object)
    """Its new weight."""
    removed = Signal()
    called = Signal()
    """Its words are to be in the prompt."""

    def __init__(self, tag: LoraTag, label_width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = self.tr("How strongly the LoRA {name} is worn.").format(name=tag.name)
        self.slider = LabelledSlider(tag.name, tip, usual=USUAL, step=0.05)
        label = self.slider.label
        label.setFixedWidth(label_width)
        label.setText(label.fontMetrics().elidedText(tag.name, Qt.TextElideMode.ElideMiddle, label_width))
        self.slider.set_limits(LOWEST, HIGHEST)
        self.slider.set_value(tag.weight)
        self.remove = IconButton("close", self.tr("Remove {name}").format(name=tag.name), self.tr("Take it off."))
        self.call = Chip("")
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self.slider, 1)
        row.addWidget(self.remove)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(row)
        column.addWidget(self.call)
        self.call.hide()
        self.slider.edited.connect(self.weighed)
        self.slider.reset.connect(lambda: self.weighed.emit(1.0))
        self.remove.clicked.connect(self.removed)
        self.call.clicked.connect(self.called)

    def offer(self, words: str) -> None:
        """Offer to add ``words`` to the prompt; "" offers nothing."""
        self.call.setText(f"+ {words}")
        self.call.setAccessibleName(self.tr("Add {words}").format(words=words))
        self.call.setToolTip(
            self.tr("Add what this LoRA was taught to draw to the prompt: {words}").format(words=words)
        )
        self.call.setVisible(bool(words))


class LoraStack(QWidget):
    """A row for each tag of the prompt, and a box that finds more by any part of their names."""

    names_changed = Signal()
    """Other LoRAs are there to be chosen, or another model is to wear them."""

    def __init__(self, draft: Draft, library: ModelLibrary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._library = library
        self._shown: list[str] = []
        self._label_width = LABEL
        self.rows: list[LoraRow] = []
        self._known: list[str] = []
        self._words: dict[str, str] = {}
        self.finder = QLineEdit()
        self.finder.setPlaceholderText(self.tr("Add a LoRA…"))
        self.finder.setAccessibleName(self.tr("Add a LoRA"))
        self.finder.setToolTip(self.tr("Type any part of its name. Listed are those that may fit the model."))
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self.finder.setCompleter(completer)
        self._list = QVBoxLayout()
        self._list.setSpacing(theme.XS)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.XS)
        column.addLayout(self._list)
        column.addWidget(self.finder)
        completer.activated.connect(self._add, Qt.ConnectionType.QueuedConnection)  # the box is filled in after it
        self.finder.returnPressed.connect(lambda: self._add(self.finder.text()))
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self._refresh)
        library.scanned.connect(self._refresh)
        self._refresh()

    def set_label_width(self, width: int) -> None:
        """In px: that of the column of labels it is in."""
        self._label_width = width
        self._shown = []
        self._show_tags()

    def is_known(self, name: str) -> bool:
        """Whether a file of that name is in the user's folders, or nobody has looked yet."""
        return self._library.scanning or name.lower() in self._words

    @Slot()
    def _refresh(self) -> None:
        """What can be worn: LoRAs that are made for the model's architecture, or for one that is not known."""
        facts = self._draft.facts
        fitting = (UNKNOWN, *(FAMILIES[facts.family].architectures if facts else ()))
        items = [item for item in self._library.items if item.identity.kind in KINDS]
        loras = [item.identity for item in items]
        self._words = {lora_name(item.identity.path).lower(): ", ".join(item.notes.trigger_words) for item in items}
        worn = [lora for lora in loras if lora.architecture in fitting and not lora.problem and not lora.variant]
        self._known = [lora_name(lora.path) for lora in worn]
        self._names.setStringList(self._known)
        takes = facts is not None and "lora" in facts.controls
        self.setVisible(takes and bool(self._known or lora_tags(self._draft.value("prompt"))))
        self._show_tags()
        self.names_changed.emit()

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        if name == "prompt":
            self._refresh_rows()

    def _refresh_rows(self) -> None:
        if lora_tags(self._draft.value("prompt")) and self.isHidden():
            self._refresh()
        else:
            self._show_tags()

    def _show_tags(self) -> None:
        prompt = self._draft.value("prompt")
        tags = lora_tags(prompt)
        names = [tag.name for tag in tags]
        if names != self._shown:
            self._shown = names
            delete_all(self._list)
            self.rows = [self._row(place, tag) for place, tag in enumerate(tags)]
        for row, tag in zip(self.rows, tags, strict=True):
            row.slider.set_value(tag.weight)
            words = self._words.get(tag.name.lower(), "")
            row.offer("" if words in without_tags(prompt) else words)

    def _row(self, place: int, tag: LoraTag) -> LoraRow:
        row = LoraRow(tag, self._label_width)
        row.weighed.connect(lambda weight: self._weigh(place, weight))
        row.removed.connect(lambda: self._replace(place, ""))
        row.called.connect(lambda: self._call(place))
        self._list.addWidget(row)
        return row

    def _weigh(self, place: int, weight: float) -> None:
        """The text encoders keep a weight of their own, if they have one."""
        tag = lora_tags(self._draft.value("prompt"))[place]
        text_weight = None if tag.text_weight == tag.weight else tag.text_weight
        self._replace(place, tag_text(tag.name, round(weight, 2), text_weight))

    def _replace(self, place: int, text: str) -> None:
        prompt = self._draft.value("prompt")
        tag = lora_tags(prompt)[place]
        after = prompt[tag.start + tag.length :]
        before = prompt[: tag.start]
        self._draft.set_value("prompt", before + text + after if text else (before.rstrip(" ") + after))

    def _call(self, place: int) -> None:
        """Put the LoRA's words before its tag."""
        prompt = self._draft.value("prompt")
        tag = lora_tags(prompt)[place]
        before = prompt[: tag.start].rstrip(" ,")
        words = self._words[tag.name.lower()]
        self._draft.set_value("prompt", ", ".join(filter(None, (before, words))) + " " + prompt[tag.start :])

    def put_on(self, name: str) -> None:
        """Add the tag of a LoRA to the prompt."""
        prompt = self._draft.value("prompt")
        gap = " " if prompt and not prompt.endswith((" ", "\n")) else ""
        self._draft.set_value("prompt", f"{prompt}{gap}{tag_text(name, 1.0)}")

    @Slot(str)
    def _add(self, name: str) -> None:
        found = next((known for known in self._known if known.lower() == name.strip().lower()), None)
        if found is None:
            return
        self.finder.clear()
        self.put_on(found)
