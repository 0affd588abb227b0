"""The drop zone of the picture or film to start from, and what is done with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, Slot
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
)
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from desktop_app.core.catalog import FILM
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.request import EXTEND, VARY
from desktop_app.studio.background import Background
from desktop_app.studio.draft import Draft
from desktop_app.studio.start_file import keep_frame
from desktop_app.ui import theme
from desktop_app.ui.images import ImageFiles, frames_of
from desktop_app.ui.number_rows import NumberRow
from desktop_app.ui.start_card import ChooseButton, StartCard
from desktop_app.ui.translate import translated
from desktop_app.ui.widgets.labels import label
from desktop_app.ui.widgets.segments import Segments

STRENGTH = (0.0, 1.0)
READ_WITHIN = QSize(1024, 1024)
"""Large enough to tell the proportion of the picture, small enough to cost little."""
WHITE = 0xFFFFFFFF
_DELETE = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


class StartPicture(QWidget):
    """Takes files and pictures that are dropped, pasted or chosen; shows which one it is and how much of it stays."""

    def __init__(self, draft: Draft, background: Background, folder: Path, parent: QWidget | None = None) -> None:
        """Pictures that come without a file are written to ``folder``."""
        super().__init__(parent)
        self._draft, self._background, self._folder = draft, background, folder
        self._files = ImageFiles(1, self)
        self._files.ready.connect(self._read)
        self._shown = ("", 0)
        self._proportion = 0.0
        self._complaint = ""
        self.setAcceptDrops(True)
        self._make_parts()
        self._lay_out()
        self._connect()
        self.refresh()

    @property
    def labels(self) -> list[QLabel]:
        """For one column of labels."""
        return [self.strength.label]

    def close_files(self) -> None:
        """Stop reading; call before the program ends."""
        self._files.close()

    # -- making

    def _make_parts(self) -> None:
        self.choose = ChooseButton(
            self.tr("Start picture: drop one, or choose…"),
            self.tr("Start from a picture or film instead of noise alone: drop it here, paste it, or choose a file."),
        )
        self.card = StartCard()
        self.note = label("", "hint", wrap=True)
        self.use = Segments(
            self.tr("What the start is for"),
            {
                VARY: (self.tr("Draw anew"), self.tr("Make a film of it, or draw it again in another way.")),
                EXTEND: (self.tr("Extend"), self.tr("Let the film go on after its last frame, or after the picture.")),
            },
        )
        self.strength = NumberRow(
            self._draft,
            "strength",
            self.tr("Strength"),
            self.tr("How much of the start picture is drawn anew: 0 keeps it, 1 forgets it."),
            usual=STRENGTH,
            step=0.05,
        )

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.S)
        for part in (self.choose, self.card, self.note):
            column.addWidget(part)
        column.addWidget(self.use)
        column.addWidget(self.strength)

    def _connect(self) -> None:
        draft = self._draft
        draft.changed.connect(self._draft_changed)
        draft.facts_changed.connect(self.refresh)
        self.choose.clicked.connect(self.open_dialog)
        self.card.picture.clicked.connect(self.open_dialog)
        self.card.clear.clicked.connect(draft.clear_start)
        self.use.chosen.connect(lambda use: draft.set_value("start_use", use))
        self.card.shape.clicked.connect(self._take_shape)

    # -- showing

    @Slot(str)
    def _draft_changed(self, name: str) -> None:
        if name == "start":
            self._complaint = ""
        if name in ("start", "start_use", "kind", "width", "height"):
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show the draft's start file and what can be done with it."""
        draft, start = self._draft, self._draft.value("start")
        facts = draft.facts
        controls = facts.controls if facts else ()
        film, use = draft.value("kind") == FILM, draft.value("start_use")
        self.setVisible(draft.takes_start)
        self._show_file(start)
        self.use.setVisible(bool(start) and film and "extend" in controls)
        self.use.buttons[VARY].setText(self.tr("Draw anew") if "strength" in controls else self.tr("Animate"))
        self.use.show_chosen(use)
        self.strength.setVisible(bool(start) and use == VARY and "strength" in controls)
        self._show_note()
        self._show_shape()

    def _show_file(self, start: str) -> None:
        """One of the two has the place, and the focus goes with it."""
        holder = QApplication.focusWidget()
        focused = self.choose.hasFocus() or (holder is not None and self.card.isAncestorOf(holder))
        self.choose.setVisible(not start)
        self.card.setVisible(bool(start))
        if focused and not (self.choose if not start else self.card.picture).hasFocus():
            (self.choose if not start else self.card.picture).setFocus()
        file = self._draft.start_file
        shown = (start, file.modified)
        if shown == self._shown:
            return
        self._shown, self._proportion = shown, 0.0
        self.card.show_file(start)
        if file.modified and file.message is None:
            self._files.read(shown, Path(start), READ_WITHIN)

    def _show_note(self) -> None:
        message = self._draft.start_message()
        facts = self._draft.facts
        films = bool(facts and facts.film and facts.film.needs_start)
        needed = bool(facts and (films or facts.needs_start) and not self._draft.value("start"))
        if self._complaint:
            text = self._complaint
        elif message:
            text = " ".join(translated(message)).strip()
        elif facts and needed:
            of_films = self.tr("{model} makes films of a picture: give it one to start from.")
            anew = self.tr("{model} draws a picture anew: give it one to start from.")
            text = (of_films if films else anew).format(model=facts.name)
        else:
            text = ""
        theme.set_role(self.note, "muted" if needed and not self._complaint else "hint")
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def _show_shape(self) -> None:
        self.card.offer_shape(self._draft.shape_like(self._proportion) if self._proportion else None)

    @Slot(object, object, str)
    def _read(self, key: tuple[str, int], image: QImage, problem: str) -> None:
        if key != self._shown:
            return
        if image.isNull():
            values = {"file": Path(key[0]).name, "reason": problem[:1].lower() + problem[1:]}
            self._draft.start_file.refuse(Message("start.unreadable", values))
            return
        self._proportion = image.width() / image.height()
        self.card.show_image(image)
        self._show_shape()

    @Slot()
    def _take_shape(self) -> None:
        size = self._draft.shape_like(self._proportion)
        if size is not None:
            self._draft.set_size(*size)
            self.card.picture.setFocus()

    # -- taking

    def take(self, data: QMimeData) -> None:
        """Start from what was dropped or pasted: a file, else the pixels themselves."""
        path = next((Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()), None)
        image = data.imageData() if path is None and data.hasImage() else None
        if path is not None:
            self._use(path)
        elif isinstance(image, QImage) and not image.isNull():
            folder = self._folder
            self._background.run(lambda: keep_frame(_opaque(image), folder, "picture"), self._use)
        elif data.hasUrls():
            self._complain(self.tr("Only the address of the picture arrived. Save the picture, then drop its file."))
        else:
            self._complain(self.tr("There is no picture to take. Copy a picture or a file of one first."))

    def _use(self, path: Path) -> None:
        self._draft.use_start(path, self._draft.value("start_use"))

    def _complain(self, text: str) -> None:
        self._complaint = text
        self._show_note()

    @Slot()
    def open_dialog(self) -> None:
        """Ask for a file."""
        from PySide6.QtWidgets import QFileDialog  # each Qt class costs time when it is first named; not at start

        start = self._draft.value("start")
        filters = self.tr("Pictures and films (*.png *.jpg *.jpeg *.webp *.gif *.mp4 *.webm)")
        folder = str(Path(start).parent) if start else ""
        dialog = QFileDialog(self.window(), self.tr("Choose a start picture"), folder, filters)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self._use(Path(name)))
        dialog.open()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        """What the buttons of the zone have no use for; the number box keeps its own keys to itself."""
        if event.matches(QKeySequence.StandardKey.Paste):
            self.take(QGuiApplication.clipboard().mimeData())
        elif event.key() in _DELETE and self._draft.value("start") and not self.strength.slider.hasFocus():
            self._draft.clear_start()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.WindowActivate and self._draft.value("start"):
            self._draft.look_at_start()  # it may have been changed or taken away meanwhile
        return super().event(event)

    # -- dropping

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        if event.mimeData().hasUrls() or event.mimeData().hasImage():
            event.acceptProposedAction()
            self._light(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 (Qt's name)
        self._light(False)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        event.acceptProposedAction()
        self._light(False)
        self.take(event.mimeData())

    def _light(self, on: bool) -> None:
        """Show that what is dragged may be dropped here."""
        theme.set_role(self.choose, "drop-here" if on else "drop")
        theme.set_role(self.card, "drop-here" if on else "start")


def _opaque(image: QImage) -> Frames:
    """The picture on white, where it lets something through."""
    flat = QImage(image.size(), QImage.Format.Format_RGB32)
    flat.fill(WHITE)
    painter = QPainter(flat)
    painter.drawImage(0, 0, image)
    painter.end()
    return frames_of(flat)
