"""Save a film as: another kind of file, frame rate, size or quality, with a look ahead at what it will be."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.messages import Message
from desktop_app.core.request import MAX_FPS
from desktop_app.core.sizes import size_text
from desktop_app.export.films import FILM_FORMATS
from desktop_app.studio.film_export import COPY, FilmChoice, FilmExport, Outlook
from desktop_app.ui import theme
from desktop_app.ui.export_rows import FilmSizeRow, QualityRow
from desktop_app.ui.icons import icon
from desktop_app.ui.images import Film
from desktop_app.ui.translate import translated, translated_label
from desktop_app.ui.widgets.calm import CalmDoubleSpinBox, CalmSpinBox
from desktop_app.ui.widgets.labels import label

MOST_LOOPS = 1000
NUMBER_WIDTH = 96
CAPTION_WIDTH = 128


class ExportDialog(QDialog):
    """Stays open after a file is written, so that another can be; closing it does not stop the writing."""

    open_wanted = Signal(object)
    """Path of a file that was written."""
    show_wanted = Signal(object)
    """Path of a file that shall be shown in its folder."""

    def __init__(
        self,
        film: Film,
        export: FilmExport,
        suggested: Path,
        *,
        format: str,
        quality: int,
        metadata: bool,
        parent: QWidget | None = None,
    ) -> None:
        """``suggested`` is a path without its suffix, which follows the format; ``format`` counts for a film without a
        file, ``quality`` and ``metadata`` are the settings'. ``export`` is closed with the dialog.
        """
        super().__init__(parent)
        self._film, self._export, self._metadata = film, export, metadata
        self._outlook: Outlook | None = None
        self._written: Path | None = None
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Save film as"))
        self._make_controls(film, quality)
        self._make_foot()
        self._lay_out()
        source = export.source
        chosen = self.formats[COPY if source else format]
        chosen.setChecked(True)
        chosen.setFocus()
        self.file.setText(f"{suggested}-copy{source.suffix}" if source else f"{suggested}{self._suffixes[0]}")
        self._connect()
        self._format_chosen()

    # -- making

    def _make_controls(self, film: Film, quality: int) -> None:
        self.group = QButtonGroup(self)
        self.formats: dict[str, QRadioButton] = {}
        for key, (name, about) in self._offered().items():
            button = self.formats[key] = QRadioButton(name)
            button.setAccessibleName(name)
            button.setToolTip(about)
            self.group.addButton(button)
        self.fps = CalmDoubleSpinBox()
        self.fps.setRange(1, MAX_FPS)
        self.fps.setValue(film.fps)
        self.fps.setFixedWidth(NUMBER_WIDTH)
        self.fps.setAccessibleName(self.tr("Frames per second"))
        self.fps.setToolTip(self.tr("How many frames are shown in a second: more of them, a faster and shorter film."))
        self.length = label("", "muted")
        self.loops = CalmSpinBox()
        self.loops.setRange(0, MOST_LOOPS)
        self.loops.setSpecialValueText(self.tr("For ever"))
        self.loops.setFixedWidth(NUMBER_WIDTH)
        self.loops.setAccessibleName(self.tr("Times played"))
        self.loops.setToolTip(self.tr("How often a player shows the film before it stops; 0 is for ever."))
        self.size_row = FilmSizeRow(QSize(film.frames.width, film.frames.height))
        self.quality = QualityRow(quality)
        self.file = QLineEdit()
        self.file.setAccessibleName(self.tr("File"))
        self.file.setToolTip(self.tr("Where the film is written."))
        self.choose = self._button("folder", self.tr("Choose…"), self.tr("Choose the folder and name of the file."))

    def _offered(self) -> dict[str, tuple[str, str]]:
        """(name, what it is) of every way to write the film, by its key."""
        offered = {}
        if self._export.source:
            about = self.tr("A copy of the file, with nothing encoded again.")
            offered[COPY] = (self.tr("As it is"), about)
        for key, facts in FILM_FORMATS.items():
            offered[key] = (facts.label, translated_label("formats", facts.about))
        return offered

    def _make_foot(self) -> None:
        self.estimate = label("", "muted", wrap=True)
        self.problem = label("", "hint", wrap=True)
        self.progress = QProgressBar()
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(4)
        self.progress.setAccessibleName(self.tr("Progress"))
        self.open_file = self._button("play", self.tr("Open"), self.tr("Open the film in your film player."))
        self.show_file = self._button("folder", self.tr("Show in folder"), self.tr("Show the file in its folder."))
        self.close_button = self._button("", self.tr("Close"), self.tr("Close this window. Writing goes on."))
        self.save = self._button("save", self.tr("Save"), self.tr("Write the film."))
        self.save.setDefault(True)
        for part in (self.problem, self.progress, self.open_file, self.show_file):
            part.hide()

    def _button(self, icon_name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(icon(icon_name), text) if icon_name else QPushButton(text)
        button.setAccessibleName(text)
        button.setToolTip(tip)
        button.setAutoDefault(False)
        return button

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.L)
        grid.setVerticalSpacing(theme.S)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, CAPTION_WIDTH)  # the same with every format
        self._rows: dict[str, tuple[QWidget, QWidget]] = {}
        for row, button in enumerate(self.formats.values()):
            grid.addWidget(button, row, 0)
            grid.addWidget(label(button.toolTip(), "muted", wrap=True), row, 1)
        grid.setRowMinimumHeight(grid.rowCount(), theme.S)
        for name, text, part in (
            ("fps", self.tr("Frames per second"), _beside(self.fps, self.length)),
            ("loops", self.tr("Times played"), _beside(self.loops)),
            ("size", self.tr("Size"), self.size_row),
            ("quality", self.tr("Quality"), self.quality),
            ("file", self.tr("File"), _beside(self.file, self.choose, stretch=False)),
        ):
            caption = label(text)
            row = grid.rowCount()
            grid.addWidget(caption, row, 0)
            grid.addWidget(part, row, 1)
            self._rows[name] = (caption, part)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.S)
        for part in (self.open_file, self.show_file):
            buttons.addWidget(part)
        buttons.addStretch(1)
        for part in (self.close_button, self.save):
            buttons.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.L, theme.L, theme.L, theme.L)
        column.setSpacing(theme.S)
        column.addLayout(grid)
        column.addStretch(1)
        for part in (self.estimate, self.problem, self.progress):
            column.addWidget(part)
        column.addLayout(buttons)
        self.resize(560, 0)

    def _connect(self) -> None:
        self.group.buttonClicked.connect(self._format_chosen)
        for signal in (self.fps.valueChanged, self.loops.valueChanged, self.size_row.edited, self.quality.edited):
            signal.connect(self._changed)
        self.file.textChanged.connect(self._changed)
        self.choose.clicked.connect(self._choose_file)
        self.save.clicked.connect(self._save)
        self.close_button.clicked.connect(self.reject)
        self.open_file.clicked.connect(lambda: self.open_wanted.emit(self._written))
        self.show_file.clicked.connect(lambda: self.show_wanted.emit(self._written))
        self.finished.connect(self._export.close)
        self._export.looked.connect(self._show_outlook)
        self._export.saved.connect(self._show_saved)
        self._export.failed.connect(self._show_problem)

    # -- what is chosen

    @property
    def format(self) -> str:
        """Key of the chosen format."""
        return next(key for key, button in self.formats.items() if button.isChecked())

    @property
    def _suffixes(self) -> tuple[str, ...]:
        """Those of the chosen format; new names get the first."""
        source = self._export.source
        if self.format == COPY and source:
            return (source.suffix.lower(),)
        return FILM_FORMATS[self.format].suffixes

    def choice(self) -> FilmChoice:
        """What the controls say."""
        return FilmChoice(
            path=Path(self.file.text().strip()).expanduser(),
            format=self.format,
            fps=self.fps.value(),
            loops=self.loops.value() if self._counts("loops") else 0,
            size=self.size_row.size_px(),
            quality=self.quality.value(),
        )

    def _counts(self, name: str) -> bool:
        """Whether the row ``name`` says anything about the chosen format."""
        if self.format == COPY:
            return name == "file"
        facts = FILM_FORMATS[self.format]
        return {"loops": facts.loops, "quality": facts.has_quality}.get(name, True)

    @Slot()
    def _format_chosen(self) -> None:
        for name, parts in self._rows.items():
            for part in parts:
                part.setVisible(self._counts(name))
        path = Path(self.file.text().strip())
        known = {suffix for each in FILM_FORMATS.values() for suffix in each.suffixes}
        if path.suffix.lower() in known and path.suffix.lower() not in self._suffixes:
            with QSignalBlocker(self.file):
                self.file.setText(str(path.with_suffix(self._suffixes[0])))
        self._changed()

    @Slot()
    def _changed(self) -> None:
        """What was said about another choice counts no more."""
        self._outlook = None
        for part in (self.problem, self.open_file, self.show_file):
            part.hide()
        seconds = self.locale().toString(self._film.count / self.fps.value(), "f", 1)
        self.length.setText(self.tr("{frames} frames, {seconds} s").format(frames=self._film.count, seconds=seconds))
        self.estimate.setText(self.tr("Estimating the size…"))
        self._enable()
        self._export.look(self.choice())

    def _enable(self) -> None:
        busy = self._export.busy
        self.progress.setVisible(busy)
        self.save.setEnabled(not busy and bool(self.file.text().strip()))
        taken = bool(self._outlook and self._outlook.taken)
        self.save.setText(self.tr("Replace") if taken else self.tr("Save"))
        self.save.setAccessibleName(self.save.text())
        for part in (self.size_row, self.quality, self.fps, self.loops, self.file, self.choose, *self.formats.values()):
            part.setEnabled(not busy)

    @Slot()
    def _choose_file(self) -> None:
        filters = "{} ({})".format(self.tr("Films"), " ".join(f"*{suffix}" for suffix in self._suffixes))
        now = Path(self.file.text().strip())
        dialog = QFileDialog(self, self.tr("Save film as"), str(now.parent), filters)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # the button here says it
        dialog.setDefaultSuffix(self._suffixes[0])
        dialog.selectFile(now.name)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.file.setText)
        dialog.open()

    # -- writing

    @Slot()
    def _save(self) -> None:
        overwrite = bool(self._outlook and self._outlook.taken)
        self._export.save(self.choice(), metadata=self._metadata, overwrite=overwrite)
        for part in (self.problem, self.open_file, self.show_file):
            part.hide()
        self.estimate.setText(self.tr("Writing the film…"))
        self._enable()

    @Slot(object)
    def _show_outlook(self, outlook: Outlook) -> None:
        if self._export.busy or outlook.choice != self.choice():
            return
        self._outlook = outlook
        self.estimate.setText(self._estimate_text(outlook))
        if outlook.taken:
            name = outlook.choice.path.name
            self._say_problem(self.tr("{file} exists and will be replaced.").format(file=name))
        if outlook.message:
            self._say_problem(" ".join(translated(outlook.message)).strip())
        self._enable()

    def _estimate_text(self, outlook: Outlook) -> str:
        if outlook.bytes is None:
            return ""
        size = size_text(outlook.bytes)
        if outlook.choice.format == COPY:
            return size
        width, height = outlook.choice.size
        return self.tr("About {size} · {width} × {height} px").format(size=size, width=width, height=height)

    @Slot(object)
    def _show_saved(self, path: Path) -> None:
        self._written = path
        self.estimate.setText(self.tr("Saved as {file}.").format(file=path))
        self._outlook = None
        for part in (self.open_file, self.show_file):
            part.show()
        self._enable()

    @Slot(object)
    def _show_problem(self, message: Message) -> None:
        self.estimate.setText("")
        self._say_problem(" ".join(translated(message)).strip())
        self._enable()

    def _say_problem(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.show()


def _beside(*parts: QWidget, stretch: bool = True) -> QWidget:
    """``parts`` in a row, at the left; without ``stretch`` they share all of it."""
    made = QWidget()
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(theme.S)
    for part in parts:
        row.addWidget(part)
    if stretch:
        row.addStretch(1)
    return made
