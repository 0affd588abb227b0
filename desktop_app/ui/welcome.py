"""What the canvas shows before there is a picture: a sample, one line of what the model draws, sentences to click."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from desktop_app.core.catalog import FILM, PICTURE, ModelFacts
from desktop_app.core.messages import Message
from desktop_app.core.paths import resources_dir
from desktop_app.ui import theme
from desktop_app.ui.icons import icon, paint_icon
from desktop_app.ui.images import ImageFiles
from desktop_app.ui.translate import translated
from desktop_app.ui.widgets.chip import Chip
from desktop_app.ui.widgets.flow_layout import FlowLayout, delete_all
from desktop_app.ui.widgets.labels import label

EXAMPLES = 3
SAMPLE_SIDE = 256
ICON_SIDE = 40


class Welcome(QWidget):
    """The first start, and the page that says what to do when no model is there."""

    example_chosen = Signal(str)
    surprise_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._files = ImageFiles(1, self)
        self._files.ready.connect(self._sample_read)
        self.sample = _Sample()
        self.title = label("", "title", wrap=True)
        self.line = label("", "muted", wrap=True)
        self.chips = QWidget()
        self._chip_flow = FlowLayout(self.chips, centred=True)
        for text in (self.title, self.line):
            text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.XL, theme.L, theme.XL, theme.L)
        column.setSpacing(theme.M)
        column.addStretch(2)
        column.addWidget(self.sample, 10)
        for part in (self.title, self.line, self.chips):
            column.addWidget(part)
        column.addStretch(3)

    def show_model(self, facts: ModelFacts | None, problem: Message | None, *, kind: str = PICTURE) -> None:
        """Say what ``facts`` draws, or with no model why there is none; ``kind`` is what is asked for."""
        delete_all(self._chip_flow)
        if facts is None:
            text, remedy = translated(problem or Message("model.none"))
            self.title.setText(text)
            self.line.setText(remedy)
            self.sample.show_icon("alert")
            return
        if facts.film and facts.film.needs_start:
            self.title.setText(self.tr("Which picture shall move?"))
        elif facts.needs_start:
            self.title.setText(self.tr("Which picture shall be drawn anew?"))
        else:
            self.title.setText(
                self.tr("What shall the film show?") if kind == FILM else self.tr("What shall the picture show?")
            )
        self.line.setText(facts.description)
        self.sample.show_icon("picture")
        examples, surprise = facts.examples_of(kind), facts.surprise_of(kind)
        for sentence in examples[:EXAMPLES]:
            name = self.tr("Example: {sentence}").format(sentence=sentence)
            chip = self._add_chip(sentence, name, self.tr("Put this sentence into the prompt."))
            chip.clicked.connect(self._chip_clicked)
        if surprise:
            text = self.tr("Surprise me")
            chip = self._add_chip(text, text, self.tr("Write a sentence of what this model can draw."))
            chip.setIcon(icon("dice"))
            chip.clicked.connect(self.surprise_wanted)
        self.chips.setVisible(bool(examples or surprise))

    def load_sample(self) -> None:
        """Show a picture that the bundled model drew, when the program brings one. Called after the first paint."""
        samples = sorted((resources_dir() / "samples").glob("*.png"))
        if samples:
            self._files.read(samples[0], samples[0])

    def close_files(self) -> None:
        """Stop reading; call before the program ends."""
        self._files.close()

    def _add_chip(self, text: str, name: str, tip: str) -> Chip:
        chip = Chip(text)
        chip.setAccessibleName(name)
        chip.setToolTip(tip)
        self._chip_flow.addWidget(chip)
        return chip

    @Slot()
    def _chip_clicked(self) -> None:
        chip = self.sender()
        if isinstance(chip, Chip):
            self.example_chosen.emit(chip.text())

    @Slot(object, object, str)
    def _sample_read(self, path: Path, image: QImage, problem: str) -> None:
        self.sample.show_image(image)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        QPainter(self).fillRect(event.rect(), theme.color("surround"))


class _Sample(QWidget):
    """The sample picture with rounded corners, or an icon while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._icon = "picture"
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumHeight(ICON_SIDE)
        self.setMaximumHeight(SAMPLE_SIDE)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        return QSize(SAMPLE_SIDE, SAMPLE_SIDE if self._has_image() else ICON_SIDE)

    def show_icon(self, name: str) -> None:
        self._icon = name
        self.setMaximumHeight(SAMPLE_SIDE if self._has_image() else ICON_SIDE)
        self.updateGeometry()
        self.update()

    def show_image(self, image: QImage) -> None:
        self._image = image
        self.show_icon(self._icon)

    def _has_image(self) -> bool:
        return not self._image.isNull() and self._icon == "picture"

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        side = min(self.width(), self.height())
        box = QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)
        if not self._has_image():
            paint_icon(painter, self._icon, box, "faint")
            return
        outline = QPainterPath()
        outline.addRoundedRect(box, 10, 10)
        painter.setClipPath(outline)
        painter.drawImage(box, self._image)
