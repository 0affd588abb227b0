"""What only a film has: how many frames, how fast, and how it moves."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from desktop_app.core.catalog import FILM
from desktop_app.core.request import EXTEND
from desktop_app.studio.draft import Draft
from desktop_app.ui import theme
from desktop_app.ui.controls import ComboRow
from desktop_app.ui.number_rows import NumberRow
from desktop_app.ui.widgets.labels import ResetLabel, label

USUAL_FRAMES = (2, 48)
USUAL_FPS = (1, 30)
USUAL_MOTION = (0, 255)
USUAL_NOISE = (0.0, 0.5)


class FilmControls(QWidget):
    """Shown while a film is asked for; no control for what the chosen model does not know."""

    def __init__(self, draft: Draft, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._draft = draft
        self._make_numbers()
        self.length_label = QLabel(self.tr("Length"))
        self.length = label("", "muted")
        self.loop = LoopRow()
        self.motion_model = ComboRow(
            self.tr("Motion model"), self.tr("The motion adapter that makes films with this picture model.")
        )
        self._lay_out()
        self.loop.edited.connect(lambda on: draft.set_value("loop", on))
        self.loop.reset.connect(lambda: draft.reset("loop"))
        self.motion_model.chosen.connect(lambda name: draft.set_value("motion_model", name))
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self.refresh)
        self.refresh()

    @property
    def labels(self) -> list[QLabel]:
        """For one column of labels."""
        return [row.label for row in self._rows().values()] + [self.length_label]

    def _make_numbers(self) -> None:
        draft = self._draft
        self.frames = NumberRow(
            draft,
            "frames",
            self.tr("Frames"),
            self.tr("How many pictures the film has. More take longer."),
            usual=USUAL_FRAMES,
        )
        self.fps = NumberRow(
            draft,
            "fps",
            self.tr("Frame rate"),
            self.tr("Frames per second. More is smoother, and the same frames are over sooner."),
            usual=USUAL_FPS,
            unit=self.tr("fps"),
        )
        self.motion_bucket = NumberRow(
            draft,
            "motion_bucket",
            self.tr("Motion"),
            self.tr("How much moves, from 0 to 255 (motion bucket)."),
            usual=USUAL_MOTION,
        )
        self.noise_augmentation = NumberRow(
            draft,
            "noise_augmentation",
            self.tr("Start noise"),
            self.tr("Noise laid over the start picture (noise augmentation). More of it lets more move."),
            usual=USUAL_NOISE,
            step=0.01,
        )

    def _rows(self) -> dict[str, NumberRow | ComboRow | LoopRow]:
        """By the name of their field, as they stand."""
        return {
            "frames": self.frames,
            "fps": self.fps,
            "loop": self.loop,
            "motion_model": self.motion_model,
            "motion_bucket": self.motion_bucket,
            "noise_augmentation": self.noise_augmentation,
        }

    def _lay_out(self) -> None:
        length_row = QHBoxLayout()
        length_row.setSpacing(theme.S)
        length_row.addWidget(self.length_label)
        length_row.addWidget(self.length, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        for name, row in self._rows().items():
            column.addWidget(row)
            if name == "fps":
                column.addLayout(length_row)

    @Slot()
    def refresh(self) -> None:
        """Show what the chosen model offers."""
        facts = self._draft.facts
        offered = facts.controls if facts else ()
        for name, row in self._rows().items():
            row.setVisible(name in offered)
        names = facts.motion_models if facts else ()
        self.motion_model.combo.clear()
        for name in names:
            self.motion_model.combo.addItem(name or self.tr("The model's own"), name)
        self.motion_model.setVisible("motion_model" in offered and len(names) > 1)
        for name in ("kind", "frames", "loop", "motion_model"):
            self._draft_changed(name)

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        draft = self._draft
        match name:
            case "kind":
                self.setVisible(draft.value("kind") == FILM)
            case "frames" | "fps" | "start_use":
                self._show_length()
            case "loop":
                self.loop.show_value(draft.value("loop"))
            case "motion_model":
                self.motion_model.show_chosen(draft.value("motion_model"))

    def _show_length(self) -> None:
        frames = self._draft.value("frames")
        seconds = self.locale().toString(frames / self._draft.value("fps"), "f", 1)
        if self._draft.value("start_use") == EXTEND:
            text = self.tr("{frames} new frames · {seconds} s")
        else:
            text = self.tr("{frames} frames · {seconds} s")
        self.length.setText(text.format(frames=frames, seconds=seconds))


class LoopRow(QWidget):
    """Whether the film has no visible end."""

    edited = Signal(bool)
    reset = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = self.tr("Let the last frame lead back to the first, so that the film can go round for ever.")
        self.label = ResetLabel(self.tr("Loop"))
        self.label.setToolTip(tip + " " + self.tr("Double-click to go back to the model's own value."))
        self.box = QCheckBox(self.tr("Endless"))
        self.box.setAccessibleName(self.tr("Loop"))
        self.box.setToolTip(tip)
        self.label.setBuddy(self.box)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.S)
        row.addWidget(self.label)
        row.addWidget(self.box, 1)
        self.box.toggled.connect(self.edited)
        self.label.reset.connect(self.reset)

    def show_value(self, on: bool) -> None:
        with QSignalBlocker(self.box):
            self.box.setChecked(on)
