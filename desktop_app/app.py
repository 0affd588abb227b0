"""The composition root: the one file that knows every room. Makes the objects, ties them together, runs the window."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication

import desktop_app
from desktop_app.checkpoints.consent import Consents
from desktop_app.core import network
from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.core.memory_plan import WISHES, Wishes
from desktop_app.core.paths import APP, AppPaths, app_paths
from desktop_app.core.result import Result
from desktop_app.download.links import Sites
from desktop_app.download.tokens import Tokens
from desktop_app.studio import diagnostics
from desktop_app.studio.background import Background
from desktop_app.studio.downloads import Downloads
from desktop_app.studio.draft import Draft
from desktop_app.studio.generation_thread import FinishedPicture, GenerationThread
from desktop_app.studio.job_queue import Job, JobQueue
from desktop_app.studio.memory_outlook import MemoryOutlook
from desktop_app.studio.model_library import ModelLibrary
from desktop_app.studio.model_list import ModelList
from desktop_app.studio.picture_list import PictureList
from desktop_app.studio.recipes import RecipeReader
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.studio.single_instance import SingleInstance
from desktop_app.studio.transport import InProcessTransport, ProcessTransport, Transport
from desktop_app.studio.window_state import WindowState
from desktop_app.ui.main_window import MainWindow
from desktop_app.ui.theme import apply_theme

if TYPE_CHECKING:
    from desktop_app.export.pictures import Saved


@dataclass(frozen=True, slots=True)
class Saver:
    """Writes finished pictures and films as the settings say. Called on the generation thread."""

    settings: SettingsStore
    paths: AppPaths

    def folder(self) -> Path:
        """Where they go."""
        chosen = self.settings.get("output_folder")
        return Path(chosen).expanduser() if chosen else self.paths.pictures

    def __call__(self, frames: Frames, result: Result) -> Saved:
        """Write it, or keep it elsewhere, which the notice then says. Raises ``AppError`` when nothing takes it."""
        try:
            return self._save_film(frames, result) if result.request.is_film else self._save_picture(frames, result)
        except AppError as problem:
            return self._keep_aside(frames, result, problem)

    def _save_picture(self, frames: Frames, result: Result) -> Saved:
        from desktop_app.export.pictures import save_picture  # Pillow is not needed before the first picture

        options = {"format": self.settings.get("format"), "quality": self.settings.get("quality")}
        return save_picture(frames, result, **self._place(), **options)

    def _save_film(self, frames: Frames, result: Result) -> Saved:
        from desktop_app.export.films import save_film  # nor is what films need before the first film

        options = {"format": self.settings.get("film_format"), "quality": self.settings.get("film_quality")}
        return save_film(frames, result, **self._place(), **options)

    def _keep_aside(self, frames: Frames, result: Result, problem: AppError) -> Saved:
        from desktop_app.export.aside import keep_aside
        from desktop_app.export.pictures import Saved

        metadata = self.settings.get("metadata")
        path, message = keep_aside(frames, result, [self.folder()], problem, metadata=metadata)
        return Saved(path, (message,))

    def _place(self) -> dict[str, Any]:
        metadata = self.settings.get("metadata")
        return {"folder": self.folder(), "template": self.settings.get("file_name"), "metadata": metadata}


class Program(QObject):
    """All objects of one running program, in the order in which they need each other."""

    def __init__(self, paths: AppPaths, transport: Transport | None = None, *, in_process: bool = False) -> None:
        """``transport`` is for tests; by default the engine is a child process."""
        super().__init__()
        self.paths = paths
        self.background = Background(self)
        self.settings = SettingsStore(paths.settings, self.background, self)
        network.set_offline(self.settings.get("offline"))
        self.models = ModelList(self._model_folders, self.background, self)
        self.library = ModelLibrary(self._model_folders, paths.model_index, Consents(paths.consents), self)
        tokens, sites = Tokens(paths.tokens), Sites.from_environment()
        self.downloads = Downloads(paths.downloads, paths.models, tokens, sites, self.background, self)
        self.draft = Draft(self.models, paths.session, self.background, self)
        self.saver = Saver(self.settings, paths)
        self.transport = transport or (self._engine_here() if in_process else self._engine_process())
        self.thread_ = GenerationThread(self.transport, self.saver, self)
        self.queue = JobQueue(self.thread_, lambda: self.settings.get("preview"), self)
        self.pictures = PictureList(self.saver.folder, self.background, self)
        outlook = MemoryOutlook(self.draft, self.queue, self.settings, paths.measurements, self.background, self)
        self.window = MainWindow(
            draft=self.draft,
            queue=self.queue,
            settings=self.settings,
            library=self.library,
            downloads=self.downloads,
            models=self.models,
            pictures=self.pictures,
            recipes=RecipeReader(self.background, self.library, paths.digests, self),
            window_state=WindowState(paths.window, self.background),
            outlook=outlook,
            paths=paths,
            report=self.report,
        )
        self._connect()

    def start(self) -> None:
        """Show the window, then do what may take longer."""
        self.window.show()
        QTimer.singleShot(0, self._after_first_paint)

    def close(self) -> None:
        """End the engine and finish every write. The window is closed already."""
        for source in (self.library, self.downloads):
            source.blockSignals(True)  # what they find last would begin work that nobody waits for
        self.draft.save()
        self.thread_.shut_down()
        self.library.close()
        self.downloads.close()
        self.background.close()

    def report(self) -> str:
        """Text of "Copy report"."""
        return diagnostics.report((self.paths.log, self.paths.engine_log), self.queue.engine_run)

    def _connect(self) -> None:
        self.background.failed.connect(self.window.show_error)
        self.settings.changed.connect(self._setting_changed)
        self.library.scanned.connect(self._library_scanned)
        self.draft.facts_changed.connect(self._warm)
        self.queue.picture.connect(self._picture_saved)
        self.downloads.finished.connect(self._model_downloaded)

    @Slot()
    def _after_first_paint(self) -> None:
        self.thread_.start()
        self._warm()
        self.library.refresh()
        self.downloads.restore()
        self.pictures.refresh()
        if self.settings.load_problem:
            self.window.show_notice(self.settings.load_problem)

    @Slot()
    def _warm(self) -> None:
        if self.draft.facts:
            self.queue.warm(self.draft.facts.key)

    @Slot(str)
    def _setting_changed(self, key: str) -> None:
        match key:
            case "theme":
                apply_theme(application(), self.settings.get("theme"))
            case "offline":
                network.set_offline(self.settings.get("offline"))
            case "output_folder":
                self.pictures.refresh()
            case "model_folders":
                self.library.refresh()
                self.queue.restart_engine()
            case "device" | "idle_minutes" | "precision" | "offload" | "decode" | "sharp_preview":
                self.queue.restart_engine()

    @Slot()
    def _library_scanned(self) -> None:
        if not self.library.scanning:
            self.models.refresh(self.library.models)

    @Slot(object)
    def _model_downloaded(self, path: Path) -> None:
        """What came into a folder that is not looked at makes it one that is."""
        if any(path.is_relative_to(folder) for folder in self._model_folders()):
            self.library.refresh()
        else:
            self.settings.set("model_folders", [*self.settings.get("model_folders"), str(path.parent)])

    @Slot(object, object)
    def _picture_saved(self, job: Job, finished: FinishedPicture) -> None:
        if finished.path:
            self.pictures.added(finished.path)
        if finished.message:
            saved = finished.path and finished.message.id != "save.kept-aside"
            (self.window.show_notice if saved else self.window.show_error)(finished.message)

    def _model_folders(self) -> tuple[Path, ...]:
        """Where models are looked for now."""
        return self.paths.model_folders(self.settings.get("model_folders"))

    def _engine_process(self) -> ProcessTransport:
        return ProcessTransport(self._engine_arguments, self.paths.engine_log)

    def _engine_arguments(self) -> Sequence[str]:
        models = [f"--models={folder}" for folder in self._model_folders()]
        options = {
            "idle": "idle_minutes",
            "sharp-preview": "sharp_preview",
            **{key: key for key in ("device", *WISHES)},
        }
        told = [f"--{option}={self.settings.get(key)}" for option, key in options.items()]
        own = (f"--cache={self.paths.cache}", f"--consents={self.paths.consents}")
        return [*models, *own, *told]

    def _engine_here(self) -> InProcessTransport:
        def start():
            from desktop_app.engine.engine import Engine

            told = self.settings.get
            options = {"device": told("device"), "wishes": Wishes.of(told), "sharp_preview": told("sharp_preview")}
            options["trusts"] = Consents(self.paths.consents).given
            return Engine(models=self._model_folders(), cache=self.paths.cache, **options)

        def serve(*arguments, **options):
            from desktop_app.engine.engine import serve

            return serve(*arguments, **options)

        return InProcessTransport(start, serve)


def application() -> QApplication:
    """The one application object of this process, made when there is none yet."""
    running = QApplication.instance()
    return running if isinstance(running, QApplication) else QApplication([APP])


def run(*, data_dir: Path | None, in_process: bool, debug: bool, quit_after: float | None = None) -> int:
    """Open the window and stay until it is closed; the exit code of the process. Raises ``AppError`` before that.

    ``quit_after`` closes it by itself after so many seconds, for trying an installation without a person.
    """
    paths = app_paths(data_dir)
    paths.prepare()
    diagnostics.start_log(paths.log, debug=debug)
    with diagnostics.keep_crash_trace(paths.crash_log):
        return _run_window(paths, in_process=in_process, quit_after=quit_after)


def _run_window(paths: AppPaths, *, in_process: bool, quit_after: float | None) -> int:
    app = application()
    app.setApplicationName(APP)
    app.setApplicationDisplayName(APP)
    app.setApplicationVersion(desktop_app.__version__)
    app.setDesktopFileName("safelight")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Qt's loop would never let Python see it
    instance = SingleInstance(paths.data)
    if not instance.take():
        return 0
    door = diagnostics.ErrorDoor()
    door.install()
    program = Program(paths, in_process=in_process)
    apply_theme(app, program.settings.get("theme"))
    door.error.connect(program.window.show_error)
    instance.raised.connect(program.window.raise_to_front)
    program.start()
    if quit_after is not None:
        QTimer.singleShot(int(quit_after * 1000), app.quit)
    code = app.exec()
    program.close()
    door.uninstall()
    instance.release()
    return code
