"""Asks before a pickled file is read, and says what the risk is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMessageBox


class PickleQuestion(QObject):
    """One question at a time."""

    convert_wanted = Signal(object)
    """Path of the file that is to be written anew."""
    allowed = Signal(object)
    """Path of the file that may be read as it is."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.box: QMessageBox | None = None
        self._file = Path()

    def ask(self, file: Path, *, runs: bool) -> None:
        """Open the question; ``runs`` says whether the file is a model that can be used as it is."""
        from PySide6.QtWidgets import QMessageBox  # not needed before somebody has such a file

        text = self.tr("{name} is a pickle. Such a file can hide programs, which run when it is loaded.")
        self._file = file
        box = self.box = QMessageBox(
            QMessageBox.Icon.NoIcon, self.tr("Read this file?"), text.format(name=file.name), parent=self._window
        )
        box.setInformativeText(
            self.tr(
                "Safelight reads nothing but the weights in it, in a process of its own: whatever else it asks for is "
                "refused and never run. A gap in this protection cannot be ruled out, so go on only if you trust where "
                "the file comes from. Converted once, it is safe in every program; the old file stays as it is."
            )
        )
        convert = box.addButton(self.tr("Convert to .safetensors"), QMessageBox.ButtonRole.AcceptRole)
        convert.clicked.connect(self._convert)
        buttons = [(convert, self.tr("Write the same weights into a new file beside it."))]
        if runs:
            allow = box.addButton(self.tr("Allow as it is"), QMessageBox.ButtonRole.YesRole)
            allow.clicked.connect(self._allow)
            buttons.append((allow, self.tr("Use this file, until it changes.")))
        cancel = box.addButton(self.tr("Leave it alone"), QMessageBox.ButtonRole.RejectRole)
        for button, tip in (*buttons, (cancel, self.tr("Read nothing."))):
            button.setAccessibleName(button.text())
            button.setToolTip(tip)
        box.setDefaultButton(cancel)
        box.setEscapeButton(cancel)
        box.finished.connect(self._close)
        box.open()

    @Slot()
    def _convert(self) -> None:
        self.convert_wanted.emit(self._file)

    @Slot()
    def _allow(self) -> None:
        self.allowed.emit(self._file)

    @Slot()
    def _close(self) -> None:
        box, self.box = self.box, None
        if box is not None:
            box.deleteLater()
