"""The left column: what is asked for. Shows the draft, and writes to it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, QSize, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop_app.core.catalog import A1111, FILM, PICTURE, PLAIN, ModelFacts
from desktop_app.prompt.emphasis import read_emphasis
from desktop_app.prompt.highlight import syntax_spans
from desktop_app.prompt.learned import learned_in
from desktop_app.prompt.reweigh import reweigh
from desktop_app.prompt.tags import blanked, without_tags
from desktop_app.studio.background import Background
from desktop_app.studio.draft import Draft
from desktop_app.studio.model_library import ModelLibrary
from desktop_app.studio.token_reader import TokenReader
from desktop_app.ui import theme
from desktop_app.ui.advanced_rows import AdvancedRows
from desktop_app.ui.controls import ComboRow, EnlargeRow, SeedRow, SizeRow
from desktop_app.ui.film_controls import FilmControls
from desktop_app.ui.generate_button import GenerateButton
from desktop_app.ui.icons import icon
from desktop_app.ui.lora_stack import LoraStack
from desktop_app.ui.number_rows import NumberRow
from desktop_app.ui.refiner_rows import RefinerRows
from desktop_app.ui.start_picture import StartPicture
from desktop_app.ui.thumbnails import Thumbnails
from desktop_app.ui.token_strip import TokenStrip
from desktop_app.ui.translate import translated
from desktop_app.ui.widgets.fold import Fold
from desktop_app.ui.widgets.labels import ElidedLabel, label
from desktop_app.ui.widgets.prompt_edit import Mark, PromptEdit
from desktop_app.ui.widgets.scroll import scrolling
from desktop_app.ui.widgets.segments import Segments

USUAL_STEPS = (1, 60)
USUAL_GUIDANCE = (1.0, 15.0)
USUAL_COUNT = (1, 8)
LABEL_MOST = 104
SMALL_ICON = 16
SYNTAX_COLORS = {"bracket": "muted", "keyword": "accent", "schedule": "accent", "lora": "good"}
"""What is not drawn as it stands, by its kind."""


class PromptPanel(QFrame):
    """Prompt, model, sliders, seed, and the Generate button that never scrolls away."""

    generate = Signal()
    reuse_seed = Signal()
    surprise_wanted = Signal()

    def __init__(
        self,
        draft: Draft,
        background: Background,
        library: ModelLibrary,
        thumbnails: Thumbnails,
        start_folder: Path,
        parent: QWidget | None = None,
    ) -> None:
        """Start pictures that come without a file are written to ``start_folder``."""
        super().__init__(parent)
        self._draft = draft
        self.setProperty("role", "left")
        self.setMinimumWidth(288)
        self.setMaximumWidth(460)
        self._make_texts()
        self.token_reader = TokenReader(draft, background, library, self)
        self.tokens = TokenStrip(self.token_reader)
        self.loras = LoraStack(draft, library, thumbnails)
        self._make_model()
        self._make_numbers()
        self.film = FilmControls(draft)
        self.refiner = RefinerRows(draft)
        self.start = StartPicture(draft, background, start_folder)
        self._make_advanced()
        self.memory = label("", "hint", wrap=True)
        self.memory.hide()
        self.button = GenerateButton()
        self._lay_out()
        self._connect()
        self._facts_changed()
        for name in ("prompt", "negative_prompt", "seed", "seed_locked"):
            self._show(name)
        self.negative_fold.set_opened(bool(draft.value("negative_prompt")))

    # -- making

    def _make_texts(self) -> None:
        self.prompt = PromptEdit(
            self.tr("Prompt"),
            self.tr("Say what it shows. Ctrl+Enter makes it; Enter starts a new line."),
            least_lines=3,
        )
        self.surprise = QPushButton(icon("dice"), self.tr("Surprise me"))
        self.surprise.setProperty("role", "quiet")
        self.surprise.setIconSize(QSize(SMALL_ICON, SMALL_ICON))
        policy = self.surprise.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # what is below it stays where it is when the model changes
        self.surprise.setSizePolicy(policy)
        self.surprise.setAccessibleName(self.surprise.text())
        self.surprise.setToolTip(self.tr("Write a sentence of what this model can draw. Ctrl+Z brings yours back."))
        self.hint = label("", "hint", wrap=True)
        self.hint.hide()
        self.negative = PromptEdit(self.tr("Negative prompt"), self.tr("Say what shall not be seen."), least_lines=2)
        self.negative.setPlaceholderText(self.tr("What shall it not show?"))
        self.negative_fold = Fold(
            self.tr("Negative prompt"),
            self.tr("Show or hide the box for what shall not be seen."),
            self.negative,
        )

    def _make_model(self) -> None:
        self.kind = Segments(
            self.tr("Kind"),
            {
                PICTURE: (self.tr("Picture"), self.tr("Make a picture.")),
                FILM: (
                    self.tr("Film"),
                    self.tr("Make a short film. It takes about as long as that many pictures."),
                ),
            },
        )
        self._model_row = ComboRow(self.tr("Model"), self.tr("What draws it."))
        self.model, self.model_label = self._model_row.combo, self._model_row.label
        self.about = ElidedLabel("", "muted")
        self.limits = label(
            self.tr("Runs through diffusers' own pipeline: with the model's own scheduler, and from words alone."),
            "muted",
            wrap=True,
        )

    def _make_numbers(self) -> None:
        self.steps = NumberRow(
            self._draft,
            "steps",
            self.tr("Steps"),
            self.tr("How often it is cleaned of noise. More is finer and slower."),
            usual=USUAL_STEPS,
        )
        self.guidance_scale = NumberRow(
            self._draft,
            "guidance_scale",
            self.tr("Guidance"),
            self.tr("How closely the words are followed. Too much makes it harsh; 1 switches it off."),
            usual=USUAL_GUIDANCE,
            step=0.5,
        )
        self.count = NumberRow(self._draft, "count", "", "", usual=USUAL_COUNT)
        self.size_row = SizeRow()
        self.enlarge_row = EnlargeRow()
        self.seed_row = SeedRow()

    def _make_advanced(self) -> None:
        self.advanced_rows = AdvancedRows(self._draft)
        schedulers = self.advanced_rows.schedulers
        self.scheduler, self.schedule_type = schedulers.scheduler_row.combo, schedulers.schedule_row.combo
        self.advanced = Fold(
            self.tr("Advanced"),
            self.tr("Show or hide the scheduler, and what few models need."),
            self.advanced_rows,
            opened=False,
        )

    def _lay_out(self) -> None:
        page = QWidget()
        page.setProperty("role", "panel")
        column = QVBoxLayout(page)
        column.setContentsMargins(theme.L, theme.M, theme.L, theme.L)
        column.setSpacing(theme.S)
        heading = label(self.tr("Prompt"), "strong")
        heading.setBuddy(self.prompt)
        heading_row = QHBoxLayout()
        heading_row.addWidget(heading, 1)
        heading_row.addWidget(self.surprise)
        column.addLayout(heading_row)
        for part in (self.prompt, self.hint, self.tokens, self.loras, self.negative_fold, self.kind, self.start):
            column.addWidget(part)
        column.addSpacing(theme.XS)
        for part in (self._model_row, self.about, self.limits, self.refiner):
            column.addWidget(part)
        column.addSpacing(theme.XS)
        for part in (self.film, self.steps, self.guidance_scale, self.size_row, self.enlarge_row, self.seed_row):
            column.addWidget(part)
        column.addWidget(self.count)
        column.addWidget(self.advanced)
        column.addStretch(1)
        self._align_labels()
        foot = QFrame()
        foot.setProperty("role", "foot")
        foot_row = QVBoxLayout(foot)
        foot_row.setContentsMargins(theme.L, theme.M, theme.L, theme.M)
        foot_row.addWidget(self.memory)
        foot_row.addWidget(self.button)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(scrolling(page), 1)
        outer.addWidget(foot)
        self.setTabOrder(self.prompt, self.surprise)  # the window starts in the prompt

    def _align_labels(self) -> None:
        """One column of labels: as wide as the longest, within reason; a longer one wraps."""
        rows = (self._model_row, self.steps, self.guidance_scale, self.count, self.size_row, self.enlarge_row)
        captions = [row.label for row in (*rows, self.seed_row)]
        captions += [*self.advanced_rows.labels, *self.film.labels, *self.refiner.labels, *self.start.labels]
        width = min(LABEL_MOST, max(caption.sizeHint().width() for caption in captions))
        self.loras.set_label_width(width)
        for caption in captions:
            caption.setFixedWidth(width)
            caption.setWordWrap(True)

    def _connect(self) -> None:
        draft = self._draft
        draft.changed.connect(self._show)
        draft.facts_changed.connect(self._facts_changed)
        self.surprise.clicked.connect(self.surprise_wanted)
        self.prompt.edited.connect(lambda text: draft.set_value("prompt", text))
        self.negative.edited.connect(lambda text: draft.set_value("negative_prompt", text))
        self.loras.names_changed.connect(self._mark_words)
        self.kind.chosen.connect(lambda kind: draft.set_value("kind", kind))
        self._model_row.chosen.connect(lambda key: draft.set_value("model", key))
        self.size_row.edited.connect(self._size_edited)
        self.size_row.reset.connect(self._size_reset)
        self.enlarge_row.edited.connect(lambda factor: draft.set_value("enlarge", factor))
        self.enlarge_row.reset.connect(lambda: draft.reset("enlarge"))
        self.seed_row.typed.connect(self._seed_typed)
        self.seed_row.lock_changed.connect(lambda locked: draft.set_value("seed_locked", locked))
        self.seed_row.die_thrown.connect(draft.new_seed)
        self.seed_row.reuse_wanted.connect(self.reuse_seed)
        self.button.clicked.connect(self.generate)

    # -- showing

    @Slot()
    def _facts_changed(self) -> None:
        facts = self._draft.facts
        with QSignalBlocker(self.model):
            self.model.clear()
            for known in self._draft.models:
                self.model.addItem(known.name, known.key)
            self.model.setCurrentIndex(self.model.findData(self._draft.value("model")))
        self.model.setEnabled(bool(self._draft.models))
        self.about.setText(facts.description if facts else "")
        self.about.set_tip(self.about.text())
        self.about.setVisible(bool(facts and facts.description))
        self.limits.setVisible(bool(facts and facts.pipeline))
        self.surprise.setVisible(bool(facts and facts.surprise_of(self._draft.value("kind"))))
        controls = facts.controls if facts else ()
        for name, part in {
            "negative_prompt": self.negative_fold,
            "steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "scheduler": self.advanced,
            "size": self.size_row,
            "seed": self.seed_row,
            "count": self.count,
        }.items():
            part.setVisible(name in controls)
        self.enlarge_row.setVisible(bool(facts and facts.enlarge > 1))
        if facts:
            self.size_row.offer(facts.sizes, facts.min_size, facts.max_size, facts.multiple)
        self.kind.setVisible(bool(facts and len(facts.kinds) > 1))
        for name in ("width", "kind"):
            self._show(name)
        self._mark_words()
        self._show_problem()

    @Slot(str)
    def _show(self, name: str) -> None:
        """Show the draft's value of ``name``."""
        value = self._draft.value(name)
        match name:
            case "prompt":
                self.prompt.set_text(value)
                self._mark_words()
            case "prompt_dialect":
                self._mark_words()
            case "negative_prompt":
                self.negative.set_text(value)
                self.negative_fold.set_note(self.tr("in use") if value.strip() else "")
                self._mark_words()
            case "kind":
                self._show_kind()
            case "width" | "height" | "enlarge":
                self._show_size()
            case "seed":
                self.seed_row.set_seed(value)
            case "seed_locked":
                self.seed_row.set_locked(value)
        self._show_problem()

    def _show_size(self) -> None:
        draft = self._draft
        size = (draft.value("width"), draft.value("height"))
        self.size_row.set_size(*size)
        self.enlarge_row.show_value(draft.value("enlarge") > 1, draft.facts.enlarge if draft.facts else 1, size)

    def _show_kind(self) -> None:
        """Say film where a film is made."""
        film = self._draft.value("kind") == FILM
        self.kind.show_chosen(self._draft.value("kind"))
        facts = self._draft.facts
        listens = facts is None or "prompt" in facts.controls
        self.prompt.setEnabled(listens)
        question = self.tr("What shall the film show?") if film else self.tr("What shall the picture show?")
        self.prompt.setPlaceholderText(question if listens else "")
        if film:
            self.count.set_words(self.tr("Films"), self.tr("How many films, each from the next seed."))
        else:
            self.count.set_words(self.tr("Pictures"), self.tr("How many pictures, each from the next seed."))
        self.button.set_film(film)

    def _mark_words(self) -> None:
        """Mark what the model does not know, and more quietly what it takes for something else."""
        facts = self._draft.facts
        prompt = self._draft.value("prompt")
        model = facts.name if facts else ""
        marks = [
            Mark(start, length, "faint", self._synonym_tip(model, prompt[start : start + length], plain))
            for start, length, plain in self._draft.synonyms()
        ]
        unknown = self._draft.unknown_words()
        words = list(dict.fromkeys(prompt[start : start + length] for start, length in unknown))
        named = ", ".join(f"“{word}”" for word in words[:3]) + ("…" if len(words) > 3 else "")
        sentence = self.tr("{model} does not know {words}.").format(model=model, words=named)
        about = facts.description if facts else ""
        marks += [Mark(start, length, "warning", f"{sentence} {about}".strip()) for start, length in unknown]
        self.prompt.mark([*marks, *self._syntax_marks(prompt)])
        self.negative.mark(self._syntax_marks(self._draft.value("negative_prompt")))
        self._show_hint(sentence if words else "", about)

    def _syntax_marks(self, prompt: str) -> list[Mark]:
        """What is not drawn as it stands, in other colours; LoRAs that are nowhere or do not fit are marked."""
        learned = learned_in(blanked(prompt), self.token_reader.learned, self._draft.dialect)
        marks = [Mark(start, end - start, SYNTAX_COLORS["lora"], underlined=False) for start, end, _ in learned]
        for span in syntax_spans(prompt, self._draft.dialect):
            marks.append(Mark(span.start, span.length, SYNTAX_COLORS[span.kind], underlined=False))
            if span.tag and (tip := self._lora_problem(span.tag.name)):
                marks.append(Mark(span.start, span.length, "warning", tip))
        return marks

    def _lora_problem(self, name: str) -> str:
        """What is wrong with a LoRA of the prompt; "" if nothing is."""
        if not self.loras.is_known(name):
            return self.tr("There is no LoRA called “{name}” in your model folders.").format(name=name)
        return self.loras.why_unfit(name)

    def _show_hint(self, sentence: str, about: str) -> None:
        facts = self._draft.facts
        deaf = facts is not None and "prompt" not in facts.controls
        if facts and deaf:
            sentence = self.tr("{model} does not go by words.").format(model=facts.name)
        elif facts and self._weights_mean_nothing():
            sentence = self._why_weights_mean_nothing(facts)
        theme.set_role(self.hint, "muted" if deaf else "hint")
        self.hint.setText(sentence)
        self.hint.setToolTip(about)
        self.hint.setVisible(bool(sentence))

    def _weights_mean_nothing(self) -> bool:
        """Whether the prompt has weights that are only read."""
        prompt = without_tags(self._draft.value("prompt"))
        return self._draft.dialect == PLAIN and read_emphasis(prompt, A1111) != read_emphasis(prompt, PLAIN)

    def _why_weights_mean_nothing(self, facts: ModelFacts) -> str:
        if "prompt_dialect" in facts.controls:
            return self.tr("The dialect is plain text: brackets and weights are text as well.")
        return self.tr("{model} takes brackets and weights for text.").format(model=facts.name)

    def _synonym_tip(self, model: str, word: str, plain: str) -> str:
        return self.tr("{model} draws “{word}” as “{plain}”.").format(model=model, word=word, plain=plain)

    def _show_problem(self) -> None:
        problem = self._draft.problem()
        self.button.set_problem(" ".join(translated(problem)).strip() if problem else "")

    def show_memory(self, said: str, need: str, *, fits: bool) -> None:
        """What is to be said about memory before the run, and how much it needs; "" where nothing is."""
        theme.set_role(self.memory, "muted" if fits else "hint")
        self.memory.setText(said)
        self.memory.setVisible(bool(said))
        self.button.set_need(self.tr("It needs about {need} of memory.").format(need=need) if need else "")

    # -- writing

    def weigh_words(self, steps: int) -> None:
        """So many steps more weight for the words at the cursor, in the box that has the focus."""
        box = self.negative if self.negative.hasFocus() else self.prompt
        if edit := reweigh(box.toPlainText(), *box.selected(), steps, self._draft.dialect):
            box.replace(edit.start, edit.end, edit.text, (edit.first, edit.last))

    @Slot(int, int)
    def _size_edited(self, width: int, height: int) -> None:
        self._draft.set_size(width, height)
        self._show("width")  # a value that was snapped back to the old one changes nothing, but the box must

    @Slot()
    def _size_reset(self) -> None:
        for name in ("width", "height"):
            self._draft.reset(name)
        self._show("width")

    @Slot(str)
    def _seed_typed(self, text: str) -> None:
        if text.strip():
            self._draft.set_value("seed", int(text))
            self._draft.set_value("seed_locked", True)
        else:
            self._draft.set_value("seed_locked", False)
