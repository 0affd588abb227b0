"""The LoRAs of the prompt as rows with sliders; they write the ``<lora:…>`` tags, which are what counts."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop_app.checkpoints.identity import ARCHITECTURES, UNKNOWN, Identity
from desktop_app.checkpoints.loras import KINDS, READ, lora_name
from desktop_app.core.catalog import FAMILIES
from desktop_app.core.messages import Message
from desktop_app.prompt.tags import LoraTag, lora_tags, tag_text, without_tags
from desktop_app.studio.draft import Draft
from desktop_app.studio.model_library import ModelLibrary
from desktop_app.ui import theme
from desktop_app.ui.lora_finder import LoraFinder
from desktop_app.ui.lora_row import LoraRow
from desktop_app.ui.thumbnails import Thumbnails
from desktop_app.ui.translate import translated
from desktop_app.ui.widgets.flow_layout import delete_all

LABEL = 104
"""Width of a label in px before the column it is in is known."""


class LoraStack(QWidget):
    """A row for each tag of the prompt, and a box that finds more."""

    names_changed = Signal()
    """Other LoRAs are there to be chosen, or another model is to wear them."""

    def __init__(
        self, draft: Draft, library: ModelLibrary, thumbnails: Thumbnails, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._draft = draft
        self._library = library
        self._shown: list[str] = []
        self._label_width = LABEL
        self.rows: list[LoraRow] = []
        self._words: dict[str, str] = {}
        self._unfit: dict[str, str] = {}
        self.finder = LoraFinder(thumbnails)
        self._list = QVBoxLayout()
        self._list.setSpacing(theme.S)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        column.addLayout(self._list)
        column.addWidget(self.finder)
        self.finder.chosen.connect(self.put_on)
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

    def why_unfit(self, name: str) -> str:
        """Why the LoRA of that name cannot be worn by the model; "" where nothing is known against it."""
        return self._unfit.get(name.lower(), "")

    @Slot()
    def _refresh(self) -> None:
        """What can be worn: LoRAs that are made for the model's architecture, or for one that is not known."""
        facts = self._draft.facts
        fitting = (UNKNOWN, *(FAMILIES[facts.family].architectures if facts else ()))
        items = [item for item in self._library.items if item.identity.kind in KINDS and _is_read(item.identity)]
        self._words = {lora_name(item.identity.path).lower(): ", ".join(item.notes.trigger_words) for item in items}
        wearable = [item for item in items if item.identity.architecture in fitting and _can_be_worn(item.identity)]
        self.finder.choices.set_items(wearable)
        names = {lora_name(item.identity.path).lower() for item in wearable}
        others = {lora_name(item.identity.path).lower(): item.identity for item in items if facts}
        self._unfit = {name: self._reason(lora) for name, lora in others.items() if name not in names}
        takes = facts is not None and "lora" in facts.controls
        self.setVisible(takes and bool(wearable or lora_tags(self._draft.value("prompt"))))
        self._show_tags()
        self.names_changed.emit()

    def _reason(self, lora: Identity) -> str:
        """Why ``lora`` cannot be worn by the model of the draft."""
        name, model = lora_name(lora.path), self._draft.facts
        if lora.problem:
            return " ".join(filter(None, translated(lora.problem)))
        if lora.variant:
            return " ".join(filter(None, translated(Message("lora.kind", {"name": name, "kind": lora.variant}))))
        return self.tr("The LoRA {name} was made for {made_for}, which {model} is not.").format(
            name=name, made_for=ARCHITECTURES[lora.architecture], model=model.name if model else ""
        )

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
            row.show_tag(tag)
            words = self._words.get(tag.name.lower(), "")
            row.offer("" if words in without_tags(prompt) else words)

    def _row(self, place: int, tag: LoraTag) -> LoraRow:
        row = LoraRow(tag, self._label_width)
        row.weighed.connect(lambda weight, text_weight: self._weigh(place, weight, text_weight))
        row.removed.connect(lambda: self._replace(place, ""))
        row.called.connect(lambda: self._call(place))
        self._list.addWidget(row)
        return row

    def _weigh(self, place: int, weight: float, text_weight: float | None) -> None:
        name = lora_tags(self._draft.value("prompt"))[place].name
        apart = None if text_weight is None else round(text_weight, 2)
        self._replace(place, tag_text(name, round(weight, 2), apart))

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


def _can_be_worn(lora: Identity) -> bool:
    return not (lora.problem or lora.variant)


def _is_read(lora: Identity) -> bool:
    return lora.path.suffix.lower() in READ
