"""What can be done with the picture in front: copy, save, show, and take its recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QAction, QGuiApplication, QImage
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.core.catalog import SCHEDULERS
from desktop_app.core.errors import AppError
from desktop_app.core.events import Picture
from desktop_app.core.files import replace_file
from desktop_app.core.result import Result
from desktop_app.studio.background import Background
from desktop_app.studio.draft import Draft
from desktop_app.studio.film_export import FilmExport
from desktop_app.studio.job_queue import JobQueue
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.ui.actions import FILM_MENU, PICTURE_MENU, fill_menu
from desktop_app.ui.images import Film, frames_of
from desktop_app.ui.strip import drag_file
from desktop_app.ui.viewer import ShownPicture, Viewer


class PictureActions(QObject):
    """Acts on the viewer's picture; does nothing where that is impossible (its actions are disabled then)."""

    said = Signal(str, bool)
    """(a short sentence, whether it can be undone by ``draft.undo_recall``)."""
    queued = Signal(object)
    """Job."""
    written = Signal()
    """A copy was saved somewhere."""

    def __init__(
        self,
        viewer: Viewer,
        draft: Draft,
        queue: JobQueue,
        settings: SettingsStore,
        background: Background,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._window = parent
        self._viewer = viewer
        self._draft = draft
        self._queue = queue
        self._settings = settings
        self._background = background
        self.actions: Mapping[str, QAction] = {}
        """Of the window, for the menu of a picture."""

    @property
    def _shown(self) -> ShownPicture | None:
        return self._viewer.shown

    @Slot(QPoint)
    def open_menu(self, at: QPoint) -> None:
        """Offer everything that can be done with the picture, at the global position ``at``."""
        if self._shown is None:
            return
        menu = QMenu(self._window)
        fill_menu(menu, FILM_MENU if self._shown.film else PICTURE_MENU, self.actions)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(at)

    @Slot()
    def drag_out(self) -> None:
        """Let the user drag the picture's file away."""
        if self._shown and self._shown.path:
            drag_file(self._window, self._shown.path, self._shown.image, None)

    def copy_image(self) -> None:
        """The picture, or the frame of the film that is in front."""
        if (frame := self._viewer.frame) is not None:
            QGuiApplication.clipboard().setImage(frame)
            film = self._shown and self._shown.film
            said = self.tr("The frame is on the clipboard.") if film else self.tr("The picture is on the clipboard.")
            self.said.emit(said, False)

    def copy_prompt(self) -> None:
        if self._shown and self._shown.result:
            QGuiApplication.clipboard().setText(self._shown.result.request.prompt)
            self.said.emit(self.tr("The prompt is on the clipboard."), False)

    def open_picture(self) -> None:
        if self._shown and self._shown.path:
            open_file(self._shown.path)

    def show_in_folder(self) -> None:
        if self._shown and self._shown.path:
            show_in_folder(self._shown.path)

    def recall(self, what: str) -> None:
        """Take "all", "prompt", "seed" or "remix" from the picture's recipe into the controls."""
        if self._shown and self._shown.result:
            self.take(self._shown.result, what)

    def take(self, result: Result, what: str) -> None:
        """Take "all", "prompt", "seed" or "remix" from ``result`` into the controls."""
        self._draft.recall(result.request, what)
        sentence = {
            "all": self.tr("Prompt, settings and seed are taken over."),
            "prompt": self.tr("The prompt is taken over."),
            "seed": self.tr("The seed is taken over and locked."),
            "remix": self.tr("Prompt and settings are taken over; the seed stays free."),
        }[what]
        model = result.request.model
        if what in ("all", "remix") and self._draft.model_called(model) is None:
            name = model or self.tr("that made it")
            sentence += " " + self.tr("The model {name} is not here, so the chosen one stays.").format(name=name)
        scheduler = result.request.scheduler
        if what in ("all", "remix") and scheduler and scheduler not in SCHEDULERS:
            sentence += " " + self.tr("Nor is its scheduler, {name}.").format(name=scheduler)
        self.said.emit(sentence, True)

    def reproduce(self) -> None:
        """Queue the picture's own request, run as it was run."""
        result = self._shown.result if self._shown else None
        if result and result.run:
            self.queued.emit(self._queue.add(result.request, replay=result.run))

    @property
    def enlarge_factor(self) -> int:
        """How many times as large the picture can be drawn; 1 when it is enlarged already or nothing could do it."""
        shown = self._shown
        if not (shown and shown.result and shown.result.run and shown.image is not None and shown.film is None):
            return 1
        request, size = shown.result.request, shown.image.size().toTuple()
        factors = {facts.key: facts.enlarge for facts in self._draft.models}
        return factors.get(request.model, 1) if size == request.final_size == request.size else 1

    def enlarge(self) -> None:
        """Queue the enlarging of the picture as it is, before all that wait: it takes a moment."""
        shown, factor = self._shown, self.enlarge_factor
        if factor > 1 and shown and shown.result and shown.image is not None:
            source = Picture(0, frames_of(shown.image), shown.result)
            request = replace(shown.result.request, enlarge=factor)
            self.queued.emit(self._queue.add(request, front=True, source=source))

    def save_as(self) -> None:
        """Ask how and where, then save a copy in the background."""
        shown = self._shown
        if shown and shown.film:
            self._export_film(shown, shown.film)
        elif shown and shown.image is not None:
            image = shown.image
            suggested = shown.path or self._folder() / f"picture.{self._settings.get('format')}"
            filters = self.tr("Pictures (*.png *.jpg *.jpeg *.webp)")
            self._ask_name(suggested, filters, lambda target: self.save_copy(shown, image, target))

    def _export_film(self, shown: ShownPicture, film: Film) -> None:
        from desktop_app.ui.export_dialog import ExportDialog  # loaded with the first use, like all dialogs

        export = FilmExport(film.frames, shown.result, shown.path, self._background, self._window)
        export.saved.connect(lambda path: self._saved(shown, path))
        settings = self._settings
        dialog = ExportDialog(
            film,
            export,
            shown.path.with_suffix("") if shown.path else self._folder() / "film",
            format=settings.get("film_format"),
            quality=settings.get("film_quality"),
            metadata=settings.get("metadata"),
            parent=self._window,
        )
        dialog.open_wanted.connect(open_file)
        dialog.show_wanted.connect(show_in_folder)
        dialog.open()

    def _folder(self) -> Path:
        return Path(self._settings.get("output_folder") or Path.home()).expanduser()

    @Slot(object, str)
    def save_image(self, image: QImage, name: str) -> None:
        """Ask where to save ``image``, one frame of the film or its contact sheet, suggesting ``name``."""
        shown = self._shown
        folder = shown.path.parent if shown and shown.path else Path.home()
        filters = self.tr("Pictures (*.png *.jpg *.jpeg *.webp)")
        apart = ShownPicture(None, image, shown.result if shown else None)
        self._ask_name(folder / name, filters, lambda target: self.save_copy(apart, image, target))

    def _ask_name(self, suggested: Path, filters: str, then: Callable[[Path], None]) -> None:
        from PySide6.QtWidgets import QFileDialog  # each Qt class costs time when it is first named; not at start

        dialog = QFileDialog(self._window, self.tr("Save as"), str(suggested.parent), filters)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(suggested.suffix)  # the dialog adds it before it asks about replacing
        dialog.selectFile(suggested.name)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: then(Path(name)))
        dialog.open()

    def save_copy(self, shown: ShownPicture, image: QImage, target: Path) -> None:
        """Write the picture to ``target``, for whose replacement the user has been asked."""
        quality, metadata = self._settings.get("quality"), self._settings.get("metadata")

        def work() -> Path:
            if shown.path != target:
                _write_copy(shown, image, target, quality=quality, metadata=metadata)
            return target

        self._background.run(work, lambda path: self._saved(shown, path))

    def _saved(self, shown: ShownPicture, path: Path) -> None:
        self._viewer.saved(shown, path)
        self.said.emit(self.tr("Saved as {file}.").format(file=path), False)
        self.written.emit()


def _write_copy(shown: ShownPicture, image: QImage, target: Path, *, quality: int, metadata: bool) -> None:
    """The file itself where it can stay as it is, else the pixels encoded anew. Raises ``AppError``."""
    from desktop_app.export.pictures import save_as  # Pillow is not needed before the first copy

    same = shown.path is not None and shown.path.suffix.lower() == target.suffix.lower()
    if shown.path is None or not same or not metadata:
        save_as(frames_of(image), shown.result, target, quality=quality, metadata=metadata, overwrite=True)
        return
    try:
        replace_file(target, shown.path.read_bytes())
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise AppError("save.folder", folder=str(target.parent), reason=reason) from problem


def open_file(path: Path) -> None:
    """Open a file or folder with whatever the system opens it with."""
    from PySide6.QtGui import QDesktopServices

    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


def show_in_folder(path: Path) -> None:
    """Open the system's file manager with ``path`` selected, or its folder where that cannot be asked for."""
    from PySide6.QtCore import QProcess

    if sys.platform == "win32":
        QProcess.startDetached("explorer", ["/select,", str(path).replace("/", "\\")])
    elif sys.platform == "darwin":
        QProcess.startDetached("open", ["-R", str(path)])
    elif not _ask_file_manager(path):
        open_file(path.parent)


def _ask_file_manager(path: Path) -> bool:
    """Through org.freedesktop.FileManager1, the interface that Linux file managers share."""
    from PySide6.QtDBus import QDBusConnection, QDBusMessage  # rarely needed; not worth loading at start

    bus = QDBusConnection.sessionBus()
    if not bus.isConnected():
        return False
    service = "org.freedesktop.FileManager1"
    call = QDBusMessage.createMethodCall(service, "/org/freedesktop/FileManager1", service, "ShowItems")
    call.setArguments([[QUrl.fromLocalFile(str(path)).toString()], ""])
    bus.asyncCall(call)
    return True


def possible_actions(viewer: Viewer, queue: JobQueue) -> dict[str, bool]:
    """For each action that depends on what is in front or running: whether it can be done now."""
    shown, running = viewer.shown, queue.current
    recipe = bool(shown and shown.result)
    image = bool(shown and shown.image is not None)
    film = bool(shown and shown.film)
    file = bool(shown and shown.path)
    zoom = image or viewer.job is not None
    return {
        **dict.fromkeys(("use_all", "use_prompt", "use_seed", "remix", "copy_prompt"), recipe),
        "reproduce": bool(shown and shown.result and shown.result.run),
        **dict.fromkeys(("copy_image", "save_as", "use_start"), image),
        **dict.fromkeys(("play", "frame_back", "frame_forward", "save_frame", "extend", "contact_sheet"), film),
        **dict.fromkeys(("open_picture", "show_in_folder"), file),
        **dict.fromkeys(("toggle_zoom", "zoom_in", "zoom_out"), zoom),
        "keep": bool(running and running.state == "denoising"),
    }
