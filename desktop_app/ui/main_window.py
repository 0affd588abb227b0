"""The window: puts the parts together and ties them to the studio."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, QTimer, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.core.messages import Message
from desktop_app.core.paths import AppPaths
from desktop_app.studio.background import Background
from desktop_app.studio.downloads import Downloads
from desktop_app.studio.draft import Draft
from desktop_app.studio.job_queue import JobQueue
from desktop_app.studio.memory_outlook import MemoryOutlook
from desktop_app.studio.model_library import ModelLibrary
from desktop_app.studio.model_list import ModelList
from desktop_app.studio.picture_list import PictureList
from desktop_app.studio.recipes import RecipeReader
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.studio.window_state import WindowState
from desktop_app.ui.actions import MENU, fill_menu, make_actions, make_submenus
from desktop_app.ui.closing import ClosingQuestion
from desktop_app.ui.dialogs import Dialogs
from desktop_app.ui.drop import DroppedRecipe, dropped_models, dropped_picture
from desktop_app.ui.folding import Folding
from desktop_app.ui.frame_actions import FrameActions
from desktop_app.ui.job_actions import JobActions
from desktop_app.ui.message_bar import MessageBar
from desktop_app.ui.models_workspace import ModelsWorkspace
from desktop_app.ui.picture_actions import PictureActions, open_file, possible_actions
from desktop_app.ui.player import PlayerBar
from desktop_app.ui.prompt_panel import PromptPanel
from desktop_app.ui.rail import CREATE, MODELS, Rail
from desktop_app.ui.side_panel import SidePanel
from desktop_app.ui.stage import Stage
from desktop_app.ui.status_row import StatusRow
from desktop_app.ui.strip import Strip
from desktop_app.ui.theme import apply_theme
from desktop_app.ui.theme_menu import theme_menu
from desktop_app.ui.thumbnails import Thumbnails
from desktop_app.ui.top_bar import TopBar
from desktop_app.ui.translate import translated
from desktop_app.ui.viewer import Viewer
from desktop_app.ui.window_memory import WindowMemory

COLUMNS = [320, 680, 280]


class MainWindow(QMainWindow):
    """Left what is asked for, in the middle what comes, right the queue and how it was made."""

    def __init__(
        self,
        *,
        draft: Draft,
        queue: JobQueue,
        settings: SettingsStore,
        library: ModelLibrary,
        downloads: Downloads,
        models: ModelList,
        pictures: PictureList,
        recipes: RecipeReader,
        window_state: WindowState,
        outlook: MemoryOutlook,
        paths: AppPaths,
        report: Callable[[], str],
    ) -> None:
        app = QApplication.instance()
        if isinstance(app, QApplication):
            apply_theme(app, settings.get("theme"))  # before the parts, which measure their fonts
        super().__init__()
        self.draft, self.queue, self.settings, self.pictures = draft, queue, settings, pictures
        self._library, self._downloads, self._models = library, downloads, models
        self.outlook = outlook
        self._paths, self._report = paths, report
        self._may_close = False
        self.setWindowTitle("Safelight")
        self.setAcceptDrops(True)
        self.background = Background(self)
        self.viewer = Viewer(queue, recipes, self)
        self.picture_actions = PictureActions(self.viewer, draft, queue, settings, self.background, self)
        self.frame_actions = FrameActions(self.viewer, draft, self.background, paths.start_pictures, self)
        self.jobs = JobActions(draft, queue, self.viewer, self)
        self.dropped = DroppedRecipe(recipes, self)
        self.closing = ClosingQuestion(queue, self.viewer, self)
        self.dialogs = Dialogs(settings, queue, paths.pictures, self)
        self._make_parts()
        self._make_actions()
        self._lay_out()
        self.folding = Folding(
            {"left": self.prompt_panel, "right": self.side, "strip": self.strip},
            (self.rail, self.top_bar, self.player, self.status),
            self._has_content,
            self,
        )
        self._connect()
        self.memory = WindowMemory(self, self.splitter, self.folding, self.prompt_panel.advanced, window_state)
        self._facts_changed()
        self._folding_changed()
        self._show_viewer()
        self.prompt_panel.prompt.setFocus()

    # -- making

    def _make_actions(self) -> None:
        self.actions_by_id = make_actions(self, (self.canvas, self.strip), self._handlers())
        submenus = make_submenus(self.menu, self.actions_by_id) | {"theme": theme_menu(self.settings, self.menu)}
        fill_menu(self.menu, MENU, self.actions_by_id, submenus)
        self.dialogs.actions = self.actions_by_id
        self.picture_actions.actions = self.actions_by_id
        self.side.give_actions(self.actions_by_id)
        self.player.give_actions(self.actions_by_id)
        self.status.follow_enlarge(self.actions_by_id["enlarge"])
        if sys.platform == "darwin":
            self.menuBar().addMenu(self.menu)

    def _make_parts(self) -> None:
        self.thumbnails = Thumbnails(self)
        self.menu = QMenu(self.tr("Menu"), self)
        self.prompt_panel = PromptPanel(
            self.draft, self.background, self._library, self.thumbnails, self._paths.start_pictures
        )
        self.stage = Stage(self.viewer)
        self.canvas = self.stage.canvas
        self.top_bar = TopBar(self.canvas, self.menu)
        self.player = PlayerBar(self.viewer.playhead)
        self.messages = MessageBar()
        self.status = StatusRow(self.queue, self.viewer)
        self.strip = Strip(self.pictures, self.thumbnails)
        self.side = SidePanel(self.queue, self.viewer, self.pictures)
        self.rail = Rail()
        self.models_workspace = ModelsWorkspace(
            self._library, self.settings, self._downloads, self.thumbnails, self._models, self.outlook
        )

    def _lay_out(self) -> None:
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.top_bar)
        column.addWidget(self.stage, 1)
        for part in (self.player, self.status, self.strip):
            column.addWidget(part)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.setHandleWidth(1)
        self.splitter.setChildrenCollapsible(False)
        for part in (self.prompt_panel, centre, self.side):
            self.splitter.addWidget(part)
        for place, stretch in enumerate((0, 1, 0)):
            self.splitter.setStretchFactor(place, stretch)
        self.splitter.setSizes(COLUMNS)
        self.workspaces = QStackedWidget()
        self.workspaces.addWidget(self.splitter)
        self.workspaces.addWidget(self.models_workspace)
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        beside = QVBoxLayout()
        beside.setSpacing(0)
        beside.addWidget(self.messages)
        beside.addWidget(self.workspaces, 1)
        row.addLayout(beside, 1)
        self.setCentralWidget(whole)

    def _handlers(self) -> dict[str, Callable[[], object]]:
        picture, canvas, frame = self.picture_actions, self.canvas, self.frame_actions
        return {
            "generate": self.jobs.generate,
            "generate_first": self.jobs.generate_first,
            "stop": self._stop,
            "keep": self._keep,
            "create": lambda: self._show_workspace(CREATE),
            "models": lambda: self._show_workspace(MODELS),
            "find_model": self._find_model,
            "download": self._download,
            "focus_prompt": self._focus_prompt,
            "weigh_more": lambda: self.prompt_panel.weigh_words(1),
            "weigh_less": lambda: self.prompt_panel.weigh_words(-1),
            "surprise": self._surprise,
            "new_seed": self.draft.new_seed,
            "use_all": lambda: picture.recall("all"),
            "use_prompt": lambda: picture.recall("prompt"),
            "use_seed": lambda: picture.recall("seed"),
            "remix": lambda: picture.recall("remix"),
            "reproduce": picture.reproduce,
            "enlarge": picture.enlarge,
            "undo_use": self.draft.undo_recall,
            "previous": lambda: self.strip.step(-1),
            "next": lambda: self.strip.step(1),
            "copy_image": picture.copy_image,
            "play": self.viewer.playhead.toggle,
            "frame_back": lambda: frame.step(-1),
            "frame_forward": lambda: frame.step(1),
            "save_frame": frame.save_frame,
            "use_start": frame.use_start,
            "extend": frame.extend,
            "contact_sheet": frame.contact_sheet,
            "copy_prompt": picture.copy_prompt,
            "save_as": picture.save_as,
            "open_picture": picture.open_picture,
            "show_in_folder": picture.show_in_folder,
            "toggle_zoom": canvas.toggle_zoom,
            "zoom_in": canvas.zoom_in,
            "zoom_out": canvas.zoom_out,
            "canvas_only": self._toggle_canvas_only,
            "fold_left": lambda: self.folding.toggle("left"),
            "fold_right": lambda: self.folding.toggle("right"),
            "fold_strip": lambda: self.folding.toggle("strip"),
            "open_folder": self._open_folder,
            "settings": self.dialogs.open_settings,
            "shortcuts": self.dialogs.open_shortcuts,
            "copy_report": self._copy_report,
            "about": self.dialogs.open_about,
            "quit": self.close,
        }

    def _connect(self) -> None:
        queue, viewer = self.queue, self.viewer
        self.prompt_panel.generate.connect(self.jobs.generate)
        self.prompt_panel.surprise_wanted.connect(self._surprise)
        self.jobs.error.connect(self.show_error)
        self.jobs.notice.connect(self.show_notice)
        self.prompt_panel.reuse_seed.connect(lambda: self.picture_actions.recall("seed"))
        self.draft.facts_changed.connect(self._facts_changed)
        self.draft.changed.connect(lambda name: name == "kind" and self._facts_changed())
        queue.changed.connect(self._queue_changed)
        queue.engine_changed.connect(self.status.refresh)
        self.outlook.changed.connect(self._show_memory)
        queue.progressed.connect(self.status.refresh)
        viewer.changed.connect(self._show_viewer)
        self.background.failed.connect(self.show_error)
        self.picture_actions.said.connect(self._say)
        self.picture_actions.queued.connect(viewer.follow)
        self.picture_actions.written.connect(self.pictures.refresh)
        self.frame_actions.said.connect(self._say)
        self.frame_actions.save_wanted.connect(self.picture_actions.save_image)
        self.status.wanted.connect(self._status_wanted)
        self.stage.welcome.example_chosen.connect(self._use_example)
        self.stage.welcome.surprise_wanted.connect(self._surprise)
        self.strip.chosen.connect(viewer.show_path)
        self.strip.menu_wanted.connect(self._picture_menu)
        self.canvas.menu_wanted.connect(self.picture_actions.open_menu)
        self.canvas.drag_out.connect(self.picture_actions.drag_out)
        self.messages.report_wanted.connect(self._copy_report)
        self.messages.undo_wanted.connect(self.draft.undo_recall)
        self.dropped.take.connect(self.picture_actions.take)
        self.dropped.start_wanted.connect(self.frame_actions.start_from)
        self.dropped.show_wanted.connect(viewer.show_path)
        self.dropped.said.connect(self._say)
        self.dropped.failed.connect(self.show_error)
        self.pictures.modelReset.connect(self._pictures_changed)
        self.pictures.rowsInserted.connect(self._pictures_changed)
        self.pictures.rowsRemoved.connect(self._pictures_changed)
        self.top_bar.left.clicked.connect(lambda: self.folding.toggle("left"))
        self.top_bar.right.clicked.connect(lambda: self.folding.toggle("right"))
        self.folding.changed.connect(self._folding_changed)
        self.side.content_changed.connect(self.folding.apply)
        self.closing.agreed.connect(self._close_for_good)
        self.rail.chosen.connect(self._show_workspace)
        self.models_workspace.use_wanted.connect(self._use_model)
        self.models_workspace.wear_wanted.connect(self._wear)
        self.models_workspace.said.connect(self._say)
        self._models.looked.connect(self.models_workspace.show_chosen)
        self.models_workspace.failed.connect(self.show_error)

    # -- for app.py

    @Slot(object)
    @Slot(object, str)
    def show_error(self, message: Message, details: str = "") -> None:
        """Say what went wrong; stays until dismissed."""
        text, remedy = translated(message)
        self.messages.show_error(text, remedy, details)

    @Slot(object)
    def show_notice(self, message: Message) -> None:
        """Say something worth knowing that stops nothing."""
        self.messages.show_notice(*translated(message))

    @Slot()
    def raise_to_front(self) -> None:
        """Somebody started the program once more."""
        self.setWindowState(self.windowState() & ~Qt.WindowState.WindowMinimized)
        self.show()
        self.raise_()
        self.activateWindow()

    # -- jobs

    def _stop(self) -> None:
        if self.queue.current:
            self.queue.cancel()
        elif self.folding.canvas_only:
            self.folding.toggle_canvas_only()

    def _toggle_canvas_only(self) -> None:
        self.folding.toggle_canvas_only()
        if self.folding.canvas_only:
            self._say(self.tr("Press F or Esc to bring everything back."))

    def _keep(self) -> None:
        self.queue.keep()
        self.status.keep_asked()

    @Slot(str)
    def _status_wanted(self, id: str) -> None:
        match id:
            case "watch":
                self.viewer.follow(self.queue.current)
            case "discard":
                self.viewer.discard()
            case "details":
                self.side.open_details()
                if not self.folding.is_open("right"):
                    self.folding.toggle("right")
            case "again":
                if self.viewer.job:
                    self.side.run_again(self.viewer.job)
                    self.viewer.follow(None)
            case _:
                self.actions_by_id[id].trigger()

    @Slot()
    def _show_memory(self) -> None:
        message, need = self.outlook.told()
        said = " ".join(translated(message)).strip() if message else ""
        self.prompt_panel.show_memory(said, need, fits=message is None or message.id == "memory.plan")

    @Slot()
    def _queue_changed(self) -> None:
        self.prompt_panel.button.set_waiting(len(self.queue.waiting))
        self._show_viewer()

    # -- what is in front

    @Slot()
    def _show_viewer(self) -> None:
        shown = self.viewer.shown
        self.strip.show_chosen(shown.path if shown else None, shown.image if shown else None)
        self.player.show_film(shown.film if shown else None)
        prompt = shown.result.request.prompt if shown and shown.result else ""
        self.canvas.setAccessibleDescription(prompt or self.status.text.text())
        self.status.refresh()
        self.side.refresh()
        self.folding.apply()
        self._enable_actions()

    def _has_content(self, part: str) -> bool:
        """Whether a column or the strip has anything to show."""
        match part:
            case "strip":
                return self.pictures.rowCount() > 0
            case "right":
                return self.side.has_content
        return True

    def _enable_actions(self) -> None:
        possible = possible_actions(self.viewer, self.queue)
        for id, enabled in possible.items():
            self.actions_by_id[id].setEnabled(enabled)
        enlarge, factor = self.actions_by_id["enlarge"], self.picture_actions.enlarge_factor
        enlarge.setEnabled(factor > 1)
        if factor > 1:
            enlarge.setText(self.tr("Enlarge ×{factor}").format(factor=factor))
        film = self.viewer.shown is not None and self.viewer.shown.film is not None
        self.actions_by_id["copy_image"].setText(self.tr("Copy this frame") if film else self.tr("Copy image"))
        self.actions_by_id["fold_right"].setEnabled(self._has_content("right"))
        self.actions_by_id["fold_strip"].setEnabled(self._has_content("strip"))
        self.prompt_panel.seed_row.reuse.setEnabled(possible["use_seed"])

    @Slot()
    def _pictures_changed(self) -> None:
        self.folding.apply()
        if self.viewer.picture is None and self.viewer.job is None and self.pictures.rowCount():
            self.viewer.show_path(self.pictures.item(0).path)
            self.viewer.following = True

    @Slot(object, QPoint)
    def _picture_menu(self, path: Path, at: QPoint) -> None:
        self.viewer.show_path(path)
        self.picture_actions.open_menu(at)

    # -- workspaces

    @Slot(str)
    def _show_workspace(self, key: str) -> None:
        self.rail.show_chosen(key)
        self.workspaces.setCurrentWidget(self.models_workspace if key == MODELS else self.splitter)
        if key == MODELS:
            self.models_workspace.list.setFocus()

    def _find_model(self) -> None:
        self._show_workspace(MODELS)
        self.models_workspace.focus_search()

    def _download(self) -> None:
        self._show_workspace(MODELS)
        self.models_workspace.open_download()

    @Slot(str)
    def _use_model(self, key: str) -> None:
        self.draft.set_value("model", key)
        self._show_workspace(CREATE)
        self._focus_prompt()

    @Slot(str)
    def _wear(self, name: str) -> None:
        self.prompt_panel.loras.put_on(name)
        self._show_workspace(CREATE)
        self._focus_prompt()

    # -- small things

    @Slot(str)
    @Slot(str, bool)
    def _say(self, text: str, undo: bool = False) -> None:
        self.messages.show_notice(text, undo=undo)

    @Slot(str)
    def _use_example(self, sentence: str) -> None:
        self.draft.set_value("prompt", sentence)
        self._focus_prompt()

    @Slot()
    def _surprise(self) -> None:
        self.draft.surprise()
        self._focus_prompt()

    def _focus_prompt(self) -> None:
        self._show_workspace(CREATE)
        if not self.folding.is_open("left"):
            self.folding.toggle("left")
        self.prompt_panel.prompt.setFocus()

    @Slot()
    def _facts_changed(self) -> None:
        facts = self.draft.facts
        kind = self.draft.value("kind")
        self.stage.welcome.show_model(facts, None if facts else self.draft.problem(), kind=kind)
        self.actions_by_id["surprise"].setEnabled(bool(facts and facts.surprise_of(kind)))
        self.dropped.offers_start = self.draft.takes_start
        self._enable_actions()

    @Slot()
    def _copy_report(self) -> None:
        QGuiApplication.clipboard().setText(self._report())
        self._say(self.tr("The report is on the clipboard."))

    def _open_folder(self) -> None:
        open_file(Path(self.settings.get("output_folder") or self._paths.pictures))

    # -- drop

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        data = event.mimeData()
        if event.source() is None and (dropped_picture(data) or dropped_models(data)):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        path = dropped_picture(event.mimeData())
        if path:
            self.dropped.drop(path, self.mapToGlobal(event.position().toPoint()))
        elif models := dropped_models(event.mimeData()):
            self._show_workspace(MODELS)
            self.models_workspace.add_dropped(models)
        event.acceptProposedAction()

    # -- geometry

    @Slot()
    def _folding_changed(self) -> None:
        self.top_bar.left.setChecked(self.folding.is_open("left"))
        self.top_bar.right.setChecked(self.folding.is_open("right"))
        self.top_bar.right.setEnabled(self._has_content("right"))
        self._enable_actions()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        super().resizeEvent(event)
        self.folding.set_width(self.width())
        self.memory.save_soon()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 (Qt's name)
        super().showEvent(event)
        QTimer.singleShot(0, self.stage.welcome.load_sample)

    # -- the end

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        if self.closing.is_needed and not self._may_close:
            event.ignore()
            self.closing.ask()
            return
        self.memory.close()
        self.viewer.close()
        self.thumbnails.close()
        self.stage.welcome.close_files()
        self.prompt_panel.start.close_files()
        self.prompt_panel.token_reader.close()
        self.background.close()
        event.accept()

    @Slot()
    def _close_for_good(self) -> None:
        self._may_close = True
        self.close()
