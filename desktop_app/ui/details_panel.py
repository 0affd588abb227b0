"""How the picture in front was made, and what can be taken from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import QDateTime, QLocale
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from desktop_app.core.catalog import SCHEDULE_TYPES, SCHEDULERS
from desktop_app.core.request import EXTEND, GenerationRequest
from desktop_app.core.result import Result, RunRecord
from desktop_app.core.sizes import size_text
from desktop_app.studio.picture_list import PictureItem
from desktop_app.ui import theme
from desktop_app.ui.translate import translated, translated_label
from desktop_app.ui.viewer import ShownPicture
from desktop_app.ui.widgets.flow_layout import FlowLayout
from desktop_app.ui.widgets.info_table import InfoTable
from desktop_app.ui.widgets.labels import label, selectable

BUTTONS = ("use_all", "remix", "use_prompt", "use_seed", "reproduce", "enlarge")


class DetailsPanel(QWidget):
    """Prompt, settings, how it was run, and the file."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.note = label("", "muted", wrap=True)
        self.prompt = selectable()
        self.prompt.setAccessibleName(self.tr("Prompt"))
        self.negative = selectable("", "muted")
        self.settings = InfoTable()
        self.run_heading = label(self.tr("How it was run"), "muted")
        self.run = InfoTable()
        self.file_heading = label(self.tr("File"), "muted")
        self.file = InfoTable()
        self.buttons = QWidget()
        self._flow = FlowLayout(self.buttons, spacing=theme.XS)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.XS, 0, 0, 0)
        column.setSpacing(theme.S)
        parts = (self.note, self.prompt, self.negative, self.buttons, self.settings)
        for part in (*parts, self.run_heading, self.run, self.file_heading, self.file):
            column.addWidget(part)

    def add_buttons(self, actions: Mapping[str, QAction]) -> None:
        """One button for each of the things a recipe is good for."""
        for id in BUTTONS:
            action = actions[id]
            button = QPushButton(action.text())
            button.setAccessibleName(action.text())
            button.setToolTip(action.toolTip())
            button.clicked.connect(action.trigger)
            self._flow.addWidget(button)
            if id in ("enlarge", "reproduce"):  # which some recipes are no good for
                _follow(button, action)
                action.changed.connect(lambda button=button, action=action: _follow(button, action))

    def show_picture(self, shown: ShownPicture, item: PictureItem | None) -> None:
        """Fill in what is known of ``shown``; ``item`` is its file, when it has one in the list."""
        result = shown.result
        self.note.setText(self._note(shown))
        self.note.setVisible(bool(self.note.text()))
        request = result.request if result else None
        self.prompt.setText(request.prompt or self.tr("(no prompt)") if request else "")
        self.prompt.setVisible(request is not None)
        self.negative.setText(self.tr("Not: {text}").format(text=request.negative_prompt) if request else "")
        self.negative.setVisible(bool(request and request.negative_prompt))
        self.buttons.setVisible(request is not None)
        self.settings.show_pairs(self._settings(result) if result else [])
        self.run.show_pairs(self._run(result.run, result.seconds) if result and result.run else [])
        self.run_heading.setVisible(bool(result and result.run))
        self.file.show_pairs(self._file(shown, item))
        self.file_heading.setVisible(shown.path is not None)

    def _note(self, shown: ShownPicture) -> str:
        if shown.message:
            return " ".join(translated(shown.message)).strip()
        if shown.result is None and shown.recipe_read:
            return self.tr("This picture carries no recipe, so nobody can say how it was made.")
        return ""

    def _settings(self, result: Result) -> list[tuple[str, str]]:
        request = result.request
        steps = str(request.steps)
        if result.steps_done != request.steps:
            steps = self.tr("{done} of {steps}").format(done=result.steps_done, steps=request.steps)
        return [
            *([(self.tr("Made with"), result.program)] if result.program else []),
            (self.tr("Model"), request.model),
            (self.tr("Size"), self.tr("{width} × {height} px").format(width=request.width, height=request.height)),
            *self._enlarged(request),
            *self._film(request),
            *self._start(request),
            (self.tr("Steps"), steps),
            (self.tr("Guidance"), QLocale().toString(request.guidance_scale, "g", 6)),
            *self._scheduler(request),
            *([(self.tr("VAE"), request.vae)] if request.vae else []),
            *self._refiner(request),
            *([(self.tr("Clip skip"), str(request.clip_skip))] if request.clip_skip > 1 else []),
            (self.tr("Seed"), str(request.seed)),
        ]

    def _scheduler(self, request: GenerationRequest) -> list[tuple[str, str]]:
        if not request.scheduler:
            return [(self.tr("Scheduler"), self.tr("the model's own"))]
        scheduler = SCHEDULERS.get(request.scheduler)
        schedule = SCHEDULE_TYPES.get(request.schedule_type)
        schedule_text = translated_label("schedulers", schedule[0]) if schedule else request.schedule_type
        return [
            (self.tr("Scheduler"), scheduler.label if scheduler else request.scheduler),
            (self.tr("Schedule"), schedule_text),
        ]

    def _refiner(self, request: GenerationRequest) -> list[tuple[str, str]]:
        if not request.refiner:
            return []
        share = QLocale().toString(request.refiner_at, "g", 3)
        return [(self.tr("Refiner"), self.tr("{name}, from {share} on").format(name=request.refiner, share=share))]

    def _film(self, request: GenerationRequest) -> list[tuple[str, str]]:
        if not request.is_film:
            return []
        seconds = QLocale().toString(request.frames / max(1, request.fps), "f", 1)
        length = self.tr("{frames} frames, {seconds} s").format(frames=request.frames, seconds=seconds)
        return [
            (self.tr("Length"), length),
            (self.tr("Frame rate"), self.tr("{fps} a second").format(fps=request.fps)),
        ]

    def _start(self, request: GenerationRequest) -> list[tuple[str, str]]:
        if not request.start:
            return []
        name = Path(request.start).name
        if request.start_use == EXTEND:
            return [(self.tr("Goes on from"), name)]
        strength = QLocale().toString(request.strength, "g", 3)
        return [(self.tr("Start picture"), name), (self.tr("Strength"), strength)]

    def _enlarged(self, request: GenerationRequest) -> list[tuple[str, str]]:
        if request.enlarge == 1:
            return []
        width, height = request.final_size
        text = self.tr("×{factor}, to {width} × {height} px")
        return [(self.tr("Enlarged"), text.format(factor=request.enlarge, width=width, height=height))]

    def _run(self, run: RunRecord, seconds: float) -> list[tuple[str, str]]:
        guidance = {
            "batched": self.tr("both passes at once"),
            "two-pass": self.tr("two passes"),
            "none": self.tr("one pass, no guidance"),
            "pipeline": self.tr("as diffusers' own pipeline does it"),
        }
        versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
        return [
            (self.tr("Time"), self.tr("{seconds} s").format(seconds=QLocale().toString(seconds, "f", 1))),
            (self.tr("Device"), run.device_name),
            (self.tr("Precision"), run.precision),
            (self.tr("Guidance"), guidance.get(run.guidance_form, run.guidance_form)),
            (self.tr("Threads"), str(run.threads)),
            *([(self.tr("Decoded"), self.tr("in tiles, because memory was short"))] if run.tiled else []),
            (self.tr("Versions"), versions),
        ]

    def _file(self, shown: ShownPicture, item: PictureItem | None) -> list[tuple[str, str]]:
        if shown.path is None:
            return []
        pairs = [(self.tr("Name"), shown.path.name), (self.tr("Folder"), str(shown.path.parent))]
        if item:
            when = QLocale().toString(QDateTime.fromSecsSinceEpoch(int(item.modified)), QLocale.FormatType.ShortFormat)
            pairs.append((self.tr("Size"), size_text(item.size)))
            pairs.append((self.tr("Saved"), when))
        return pairs


def _follow(button: QPushButton, action: QAction) -> None:
    """Say what ``action`` says, and be there only while it can be done."""
    button.setText(action.text())
    button.setAccessibleName(action.text())
    button.setVisible(action.isEnabled())
