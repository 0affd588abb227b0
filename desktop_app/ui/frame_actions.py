"""What can be done with one frame of a film, and with a picture as the start of another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QDialog, QWidget

from desktop_app.core.messages import Message
from desktop_app.core.request import EXTEND, VARY
from desktop_app.studio.background import Background
from desktop_app.studio.draft import Draft
from desktop_app.studio.start_file import keep_frame
from desktop_app.ui.images import frames_of
from desktop_app.ui.translate import translated
from desktop_app.ui.viewer import Viewer


class FrameActions(QObject):
    """Acts on the frame in front; does nothing where there is none."""

    said = Signal(str)
    save_wanted = Signal(object, str)
    """(QImage, suggested file name) that shall be saved where the user says."""

    def __init__(self, viewer: Viewer, draft: Draft, background: Background, folder: Path, parent: QWidget) -> None:
        """Frames that become start pictures are written to ``folder``."""
        super().__init__(parent)
        self._window = parent
        self._viewer = viewer
        self._draft = draft
        self._background = background
        self._folder = folder

    def step(self, by: int) -> None:
        """Show the frame ``by`` further on."""
        self._viewer.playhead.step(by)

    def save_frame(self) -> None:
        if (frame := self._viewer.frame) is not None:
            self.save_wanted.emit(frame, f"{self._name()}.png")

    def use_start(self) -> None:
        """The next picture or film starts from the frame or picture in front."""
        shown = self._viewer.shown
        if shown and shown.path and shown.film is None:
            self.start_from(shown.path)
        else:
            self._write_frame(self.start_from)

    def extend(self) -> None:
        """The next film goes on from here: from the whole film after its last frame, else from this frame alone."""
        shown, playhead = self._viewer.shown, self._viewer.playhead
        if shown and shown.path and shown.film and playhead.index == playhead.count - 1:
            self.start_from(shown.path, EXTEND)
        else:
            self._write_frame(lambda path: self.start_from(path, EXTEND))

    def contact_sheet(self) -> QDialog | None:
        """Open a view of all frames; None where there is no film."""
        shown = self._viewer.shown
        if shown is None or shown.film is None:
            return None
        from desktop_app.ui.contact_sheet import ContactSheetDialog  # loaded with the first use, like all dialogs

        dialog = ContactSheetDialog(shown.film, shown.steps, self._window)
        name = f"{shown.path.stem if shown.path else 'film'}-sheet.png"
        dialog.save_wanted.connect(lambda sheet: self.save_wanted.emit(sheet, name))
        dialog.copy_wanted.connect(self._copy_sheet)
        dialog.open()
        return dialog

    def _copy_sheet(self, sheet: QImage) -> None:
        QGuiApplication.clipboard().setImage(sheet)
        self.said.emit(self.tr("The contact sheet is on the clipboard."))

    def _name(self) -> str:
        shown = self._viewer.shown
        stem = shown.path.stem if shown and shown.path else "film"
        return f"{stem}-{self._viewer.playhead.index + 1:03}"

    @Slot(object)
    def start_from(self, path: Path, use: str = VARY) -> None:
        """Let the next one start from the file at ``path``, and say so."""
        facts = self._draft.facts
        if facts and not self._draft.takes_start:
            self.said.emit(" ".join(translated(Message("bridge.start", {"model": facts.name}))))
            return
        self._draft.use_start(path, use)
        refused = self._draft.problem() if self._draft.value("start_use") != use else None
        if refused:
            self.said.emit(" ".join(translated(refused)).strip())
        elif use == EXTEND:
            self.said.emit(self.tr("The next film goes on from here."))
        else:
            self.said.emit(self.tr("It is the start picture now."))

    def _write_frame(self, then: Callable[[Path], None]) -> None:
        frame = self._viewer.frame
        if frame is None:
            return
        pixels, folder, name = frames_of(frame), self._folder, self._name()
        self._background.run(lambda: keep_frame(pixels, folder, name), then)
