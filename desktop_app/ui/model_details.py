"""What is known of the chosen model, and what can be done with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop_app.checkpoints.identity import ARCHITECTURES, KINDS, PARTS, UNKNOWN
from desktop_app.checkpoints.loras import KINDS as LORAS
from desktop_app.core.forecast import weight_bytes
from desktop_app.core.messages import Message
from desktop_app.core.sizes import size_text
from desktop_app.studio.model_library import LibraryItem
from desktop_app.ui import theme
from desktop_app.ui.model_cards import told_of_this_file
from desktop_app.ui.picture_actions import show_in_folder
from desktop_app.ui.translate import translated
from desktop_app.ui.widgets.info_table import InfoTable
from desktop_app.ui.widgets.labels import breakable, label, selectable
from desktop_app.ui.widgets.scroll import scrolling

PREVIEW_HEIGHT, LOW_PREVIEW = 220, 132
LOW = 640
"""Height in px under which the preview picture is lower."""


class ModelDetails(QFrame):
    """A column of its own at the right."""

    use_wanted = Signal()
    pickle_wanted = Signal()
    """Ask whether the pickled file may be read or converted."""
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "right")
        self._item: LibraryItem | None = None
        self.preview = _Preview()
        self.title = label("", "large", wrap=True)
        self.verdict = label("", wrap=True)
        self.table = InfoTable()
        self.notes = selectable("", "muted")
        self.use = _button(self.tr("Use this model"), self.tr("Make pictures with this model (Enter)."))
        self.use.setProperty("role", "accent")
        self.folder = _button(self.tr("Show in folder"), self.tr("Show the file in its folder."))
        self.copy = _button(self.tr("Copy path"), self.tr("Copy where the file is."))
        self.pickle = _button(self.tr("Convert or allow…"), self.tr("Say what may be done with this pickled file."))
        self.use.clicked.connect(self.use_wanted)
        self.pickle.clicked.connect(self.pickle_wanted)
        self.folder.clicked.connect(self._show_in_folder)
        self.copy.clicked.connect(self._copy_path)
        self._lay_out()

    def show_item(self, item: LibraryItem | None, verdict: tuple[bool, Message] | None, *, usable: bool) -> None:
        """Tell of ``item``, and whether it runs here; ``usable`` says whether the program offers it as a model."""
        self._item = item
        self.setVisible(item is not None)
        if item is None or verdict is None:
            return
        self.title.setText(breakable(item.name))
        runs, message = verdict
        problem = item.identity.problem
        said = told_of_this_file(problem) if problem else translated(message)
        self.verdict.setText(breakable(" ".join(filter(None, said))))
        theme.set_role(self.verdict, "" if runs else "hint" if problem or usable else "muted")
        self._dress_use(usable, wearable=item.identity.kind in LORAS and runs)
        self.pickle.setVisible(item.identity.format == "pickle" and problem is None)
        self.table.show_pairs(self._pairs(item))
        self.notes.setText(item.notes.description)
        self.notes.setVisible(bool(item.notes.description))
        self.preview.hide()

    def _dress_use(self, usable: bool, *, wearable: bool) -> None:
        text = self.tr("Add to the prompt") if wearable else self.tr("Use this model")
        tip = (
            self.tr("Let it count in the next pictures (Enter).")
            if wearable
            else self.tr("Make pictures with this model (Enter).")
        )
        self.use.setText(text)
        self.use.setAccessibleName(text)
        self.use.setToolTip(tip)
        self.use.setEnabled(usable or wearable)
        self.use.setVisible(usable or wearable)

    def show_conversion(self, fraction: float | None) -> None:
        """How far a conversion is; None if none is running."""
        text = self.tr("Convert or allow…")
        if fraction is not None:
            text = self.tr("Converting, {percent} %").format(percent=round(100 * fraction))
        self.pickle.setText(text)
        self.pickle.setEnabled(fraction is None)

    def show_preview(self, pixmap: QPixmap | None) -> None:
        """The preview picture, once it was read; None or a null one hides it."""
        self.preview.show_pixmap(pixmap)

    def _pairs(self, item: LibraryItem) -> list[tuple[str, str]]:
        identity, notes = item.identity, item.notes
        known = ARCHITECTURES[identity.architecture] if identity.architecture != UNKNOWN else ""
        pairs = [
            (self.tr("Kind"), "" if identity.problem else KINDS[identity.kind]),
            (self.tr("Made for"), known or notes.base_model),
            (self.tr("Format"), " ".join(filter(None, (identity.quantisation, identity.dtype)))),
            (self.tr("Rank"), identity.metadata.get("ss_network_dim", "")),
            (self.tr("Parameters"), _millions(identity.parameters)),
            (self.tr("In memory"), self._in_memory(item)),
            (self.tr("Size"), size_text(identity.size or None)),
            (self.tr("Missing"), ", ".join(PARTS[part] for part in identity.missing)),
            (self.tr("Trigger words"), ", ".join(notes.trigger_words)),
            (self.tr("Author"), notes.author),
            (self.tr("Licence"), notes.licence),
            (self.tr("File"), identity.path.name),
            (self.tr("Folder"), _short_path(identity.path.parent)),
        ]
        return [(name, value) for name, value in pairs if value]

    def _in_memory(self, item: LibraryItem) -> str:
        if not item.identity.parameters:
            return ""
        half, full = (size_text(weight_bytes(item.identity.parameters, dtype)) for dtype in ("float16", "float32"))
        return self.tr("about {half}, {full} in full precision").format(half=half, full=full)

    def _lay_out(self) -> None:
        page = QWidget()
        page.setProperty("role", "panel")
        column = QVBoxLayout(page)
        column.setContentsMargins(theme.L, theme.L, theme.L, theme.L)
        column.setSpacing(theme.M)
        for part in (self.preview, self.title, self.verdict, self.table, self.notes):
            column.addWidget(part)
        column.addStretch(1)
        foot = QFrame()
        foot.setProperty("role", "foot")
        buttons = QVBoxLayout(foot)
        buttons.setContentsMargins(theme.L, theme.M, theme.L, theme.L)
        buttons.setSpacing(theme.S)
        buttons.addWidget(self.use)
        buttons.addWidget(self.pickle)
        row = QHBoxLayout()
        row.setSpacing(theme.S)
        row.addWidget(self.folder, 1)
        row.addWidget(self.copy, 1)
        buttons.addLayout(row)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(scrolling(page), 1)
        whole.addWidget(foot)

    @Slot()
    def _show_in_folder(self) -> None:
        if self._item:
            show_in_folder(self._item.identity.path)

    @Slot()
    def _copy_path(self) -> None:
        if self._item:
            QGuiApplication.clipboard().setText(str(self._item.identity.path))
            self.said.emit(self.tr("The path is on the clipboard."))


class _Preview(QWidget):
    """The preview picture, as wide as the column at most."""

    def __init__(self) -> None:
        super().__init__()
        self._pixmap = QPixmap()
        self.hide()

    def show_pixmap(self, pixmap: QPixmap | None) -> None:
        self._pixmap = pixmap or QPixmap()
        self.setVisible(not self._pixmap.isNull())
        self.setFixedHeight(LOW_PREVIEW if self.window().height() < LOW else PREVIEW_HEIGHT)
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        return QSize(200, PREVIEW_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        size = self._pixmap.deviceIndependentSize()
        size.scale(self.width(), self.height(), Qt.AspectRatioMode.KeepAspectRatio)
        frame = QRectF((self.width() - size.width()) / 2, 0, size.width(), size.height())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        outline = QPainterPath()
        outline.addRoundedRect(frame, 6, 6)
        painter.setClipPath(outline)
        painter.drawPixmap(frame, self._pixmap, QRectF(self._pixmap.rect()))


def _short_path(folder: Path) -> str:
    """``folder`` from the home folder on where it lies in it."""
    home = Path.home()
    return str(Path("~", folder.relative_to(home))) if folder.is_relative_to(home) else str(folder)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setAccessibleName(text)
    button.setToolTip(tip)
    return button


def _millions(count: int) -> str:
    for size, unit, digits in ((1e9, "B", 2), (1e6, "M", 1)):
        if count >= size:
            return f"{count / size:.{digits}f} {unit}"
    return f"{count:,}" if count else ""
