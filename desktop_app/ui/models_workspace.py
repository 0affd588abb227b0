"""The Models workspace: every model file in the user's folders, searched and filtered, with what is known of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QLocale, QSize, Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop_app.checkpoints.embeddings import KIND as EMBEDDING
from desktop_app.checkpoints.identity import ARCHITECTURES, KINDS, Identity
from desktop_app.checkpoints.loras import KINDS as LORAS
from desktop_app.checkpoints.loras import lora_name
from desktop_app.checkpoints.scan import comfy_folders
from desktop_app.checkpoints.single_file import unfit
from desktop_app.core.messages import Message
from desktop_app.studio.downloads import Downloads
from desktop_app.studio.memory_outlook import MemoryOutlook
from desktop_app.studio.model_library import LibraryItem, ModelLibrary
from desktop_app.studio.model_list import ModelList
from desktop_app.studio.model_verdict import verdict
from desktop_app.studio.settings_store import SettingsStore
from desktop_app.ui import theme
from desktop_app.ui.connections import Connections
from desktop_app.ui.download_panel import DownloadPanel
from desktop_app.ui.drop import YAML, dropped_models
from desktop_app.ui.icons import icon
from desktop_app.ui.model_cards import ModelCards
from desktop_app.ui.model_details import ModelDetails
from desktop_app.ui.pickle_question import PickleQuestion
from desktop_app.ui.thumbnails import Thumbnails
from desktop_app.ui.widgets.calm import CalmComboBox
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import ElidedLabel, label

if TYPE_CHECKING:
    from desktop_app.ui.download_dialog import DownloadDialog

NARROW = 900
"""Width in px under which the details are narrower."""
NARROW_DETAILS, WIDE_DETAILS = 272, 340
NARROW_FILTER, WIDE_FILTER = 120, 240
MOST_HEIGHT = (1 << 24) - 1
"""Of a widget, in px, in Qt."""


class ModelsWorkspace(QWidget):
    """A list at the left, details at the right."""

    use_wanted = Signal(str)
    """Key of the model that shall make the next picture."""
    wear_wanted = Signal(str)
    """Name of the LoRA that the prompt shall ask for."""
    said = Signal(str)
    failed = Signal(object)
    """Message."""

    def __init__(
        self,
        library: ModelLibrary,
        settings: SettingsStore,
        downloads: Downloads,
        thumbnails: Thumbnails,
        models: ModelList,
        outlook: MemoryOutlook,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._library, self._settings, self._thumbnails, self._models = library, settings, thumbnails, models
        self._downloads = downloads
        self._outlook = outlook
        self._chosen: Path | None = None
        self._item: LibraryItem | None = None
        self.setAcceptDrops(True)
        self._make_parts()
        self._lay_out()
        self._connect()
        self._show_library()

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self.search.setFocus()
        self.search.selectAll()

    # -- making

    def _make_parts(self) -> None:
        self.search = QLineEdit()
        self.search.setAccessibleName(self.tr("Search models"))
        self.search.setToolTip(self.tr("Words of a name, a folder or a trigger word; all of them must occur."))
        self.search.setClearButtonEnabled(True)
        self.search.addAction(icon("search"), QLineEdit.ActionPosition.LeadingPosition)
        self.kind = _filter_box(self.tr("Kind"), self.tr("Show only models of one kind."))
        self.architecture = _filter_box(self.tr("Architecture"), self.tr("Show only what belongs to one architecture."))
        self.add = _add_button()
        self.download = _download_button()
        self.rescan = IconButton("again", self.tr("Look again"), self.tr("Look at all folders again."))
        self.count = ElidedLabel("", "muted")
        self.connections = Connections(self._settings)
        self.download_panel = DownloadPanel(self._downloads)
        self.list = QListView()
        self.list.setModel(self._library)
        self.list.setItemDelegate(ModelCards(self._library, self._thumbnails, self.list))
        self.list.setUniformItemSizes(True)
        self.list.setMouseTracking(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setAccessibleName(self.tr("Models"))
        self.list.setToolTip(self.tr("Choose a model to see what is known of it; Enter uses it."))
        self.details = ModelDetails()
        self.pickle_question = PickleQuestion(self)
        self.empty = _EmptyState()
        self.invitation = _EmptyState()
        self.invitation.show_state(searching=False, scanning=False)
        self.invitation.title.setText(self.tr("Your own models"))

    def _lay_out(self) -> None:
        bar = QFrame()
        bar.setProperty("role", "bar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(theme.M, theme.S, theme.M, theme.S)
        row.setSpacing(theme.S)
        row.addWidget(self.search, 1)
        for part in (self.kind, self.architecture, self.add, self.download, self.rescan):
            row.addWidget(part)
        foot = QFrame()
        foot.setProperty("role", "foot")
        foot_row = QHBoxLayout(foot)
        foot_row.setContentsMargins(theme.L, theme.XS, theme.L, theme.XS)
        foot_row.addWidget(self.count, 1)
        foot_row.addWidget(self.connections)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.list)
        self.pages.addWidget(self.empty)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.pages, 2)
        column.addWidget(self.invitation, 3)
        column.addWidget(self.download_panel)
        column.addWidget(foot)
        self.details.setFixedWidth(WIDE_DETAILS)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(bar)
        beside = QHBoxLayout()
        beside.setSpacing(0)
        beside.addWidget(middle, 1)
        beside.addWidget(self.details)
        whole.addLayout(beside, 1)

    def _connect(self) -> None:
        self.search.textChanged.connect(self._filter)
        self.kind.currentIndexChanged.connect(self._filter)
        self.architecture.currentIndexChanged.connect(self._filter)
        self.add.clicked.connect(self._choose_folder)
        self.empty.add.clicked.connect(self._choose_folder)
        self.invitation.add.clicked.connect(self._choose_folder)
        for button in (self.download, self.empty.download, self.invitation.download):
            button.clicked.connect(self.open_download)
        self.download_panel.show_wanted.connect(self._show_model)
        self.rescan.clicked.connect(self._library.refresh)
        self._outlook.changed.connect(self._judge)
        self._library.scanned.connect(self._show_library)
        self._library.modelReset.connect(self._keep_chosen)
        self.list.selectionModel().selectionChanged.connect(self._choose)
        self.list.doubleClicked.connect(self._use)
        self.details.use_wanted.connect(self._use)
        self.details.said.connect(self.said)
        self.details.pickle_wanted.connect(self._ask_about_pickle)
        self.pickle_question.convert_wanted.connect(self._library.conversion.start)
        self.pickle_question.allowed.connect(self._library.allow)
        self._library.conversion.progressed.connect(self._show_conversion)
        self._library.conversion.finished.connect(self._converted)
        self._library.conversion.failed.connect(self.failed)
        self._thumbnails.ready.connect(self._thumbnail_ready)

    # -- showing

    @Slot()
    def _show_library(self) -> None:
        for box, values, names in (
            (self.kind, self._library.kinds(), KINDS),
            (self.architecture, self._library.architectures(), ARCHITECTURES),
        ):
            _fill(box, values, names)
        self._show_state()

    @Slot()
    def _filter(self) -> None:
        self._library.show_only(
            self.search.text(), self.kind.currentData() or "", self.architecture.currentData() or ""
        )
        self._show_state()

    def _show_state(self) -> None:
        shown, whole = self._library.rowCount(), len(self._library.items)
        self.pages.setCurrentWidget(self.list if shown else self.empty)
        self.empty.show_state(searching=whole > 0, scanning=self._library.scanning)
        numbers = QLocale()
        texts = [self.tr("1 model") if whole == 1 else self.tr("{count} models").format(count=numbers.toString(whole))]
        if shown != whole:
            texts.append(self.tr("{shown} shown").format(shown=numbers.toString(shown)))
        if self._library.scanning:
            texts.append(self.tr("looking…"))
        self._invite(0 < shown == whole and not self._settings.get("model_folders"))
        self.count.setText(" · ".join(texts))

    def _invite(self, invite: bool) -> None:
        """Under the few models that come with the program, say how more of them get there."""
        self.invitation.setVisible(invite)
        rows = self.list.sizeHintForRow(0) * self._library.rowCount() + 2 * theme.S
        self.pages.setMaximumHeight(rows if invite else MOST_HEIGHT)

    @Slot()
    def _keep_chosen(self) -> None:
        """After the list was made anew: the same model is chosen if it is still there."""
        row = self._library.row_of(self._chosen) if self._chosen else -1
        if row < 0:
            self._show_item(None)
            return
        index = self._library.index(row, 0)
        self.list.setCurrentIndex(index)
        self.list.scrollTo(index)

    @Slot()
    def _choose(self) -> None:
        rows = self.list.selectionModel().selectedIndexes()
        self._show_item(self._library.item(rows[0].row()) if rows else None)

    def _show_item(self, item: LibraryItem | None) -> None:
        if item is not None:
            self._chosen = item.identity.path
        self._item = item
        self._judge()
        self._show_preview(item)
        self._fold()

    @Slot()
    def _judge(self) -> None:
        """Tell of the chosen model, and how it would run here as things stand."""
        item = self._item
        facts = self._models.at(item.identity.path) if item else None
        chosen = self._outlook.of_model(facts) if facts else None
        said = None
        if item and facts is None and self._is_awaited(item.identity):
            said = True, Message("library.looking", {})
        elif item is not None:
            trusted = self._library.may_read(item.identity)
            said = verdict(item.identity, facts is not None, chosen, self._outlook.machine, trusted=trusted)
        self.details.show_item(item, said, usable=facts is not None)

    def _is_awaited(self, identity: Identity) -> bool:
        """Whether it is a whole model that nobody has looked into yet."""
        found = not identity.problem and identity.path in self._library.models.values()
        return found and not self._models.has_looked_at(identity.path)

    def _show_preview(self, item: LibraryItem | None) -> None:
        preview = item.notes.preview if item else None
        self.details.show_preview(self._thumbnails.get(preview, 0.0, 640) if preview else None)

    @Slot(object)
    def _thumbnail_ready(self, path: Path) -> None:
        row = self._library.row_of(path)
        if row >= 0:
            self.list.update(self._library.index(row, 0))
            if self._library.item(row).identity.path == self._chosen:
                self._show_preview(self._library.item(row))

    @Slot()
    def show_chosen(self) -> None:
        """Tell again of the chosen model, which may be one that can be used by now."""
        self._choose()

    @Slot()
    def _show_conversion(self) -> None:
        conversion = self._library.conversion
        self.details.show_conversion(conversion.done if conversion.file else None)

    # -- doing

    @Slot()
    def _ask_about_pickle(self) -> None:
        row = self._library.row_of(self._chosen) if self._chosen else -1
        if row >= 0:
            identity = self._library.item(row).identity
            whole = identity.kind == "checkpoint" and not identity.missing
            runs = whole and not unfit(identity) and self._models.at(identity.path) is None
            runs = runs or (identity.kind == EMBEDDING and not self._library.may_read(identity))
            self.pickle_question.ask(identity.path, runs=runs)

    @Slot(object)
    def _converted(self, path: Path) -> None:
        self.said.emit(self.tr("{name} is written.").format(name=path.name))

    @Slot()
    def _use(self) -> None:
        row = self._library.row_of(self._chosen) if self._chosen else -1
        if row < 0:
            return
        identity = self._library.item(row).identity
        if facts := self._models.at(identity.path):
            self.use_wanted.emit(facts.key)
        elif identity.kind in LORAS and not identity.problem and not identity.variant:
            self.wear_wanted.emit(lora_name(identity.path))

    @Slot()
    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self.tr("Folder with models"))
        if folder:
            self.add_folders([Path(folder)])

    @Slot()
    def open_download(self) -> DownloadDialog:
        """Ask for a link."""
        from desktop_app.ui.download_dialog import DownloadDialog  # not needed before somebody downloads

        dialog = DownloadDialog(self._downloads, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
        return dialog

    @Slot(object)
    def _show_model(self, path: Path) -> None:
        """Choose the model at ``path``, whatever is searched for."""
        self.search.clear()
        self.kind.setCurrentIndex(0)
        self.architecture.setCurrentIndex(0)
        row = self._library.row_of(path)
        if row >= 0:
            self.list.setCurrentIndex(self._library.index(row, 0))
            self.list.scrollTo(self._library.index(row, 0))

    def add_folders(self, folders: list[Path]) -> None:
        """Look for models in ``folders`` as well; those known already are passed over."""
        known = list(self._settings.get("model_folders"))
        new = [text for text in map(str, folders) if text not in known]
        if not new:
            self.said.emit(self.tr("This folder is looked at already."))
            return
        self._settings.set("model_folders", known + new)
        text = self.tr("{folder} is added.") if len(new) == 1 else self.tr("{count} folders are added.")
        self.said.emit(text.format(folder=new[0], count=len(new)))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        if event.source() is None and dropped_models(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        event.acceptProposedAction()
        self.add_dropped(dropped_models(event.mimeData()))

    def add_dropped(self, paths: list[Path]) -> None:
        """Look for models in folders, around model files, and where ComfyUI's lists say."""
        folders = [path if path.is_dir() else path.parent for path in paths if path.suffix.lower() not in YAML]
        for file in (path for path in paths if path.suffix.lower() in YAML):
            try:
                folders += comfy_folders(file)
            except ValueError as problem:
                self.failed.emit(Message("library.yaml", {"file": file.name, "reason": str(problem)}))
        if folders:
            self.add_folders(list(dict.fromkeys(folders)))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._use()
        elif event.key() == Qt.Key.Key_Down and self.search.hasFocus():
            self.list.setFocus()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        super().resizeEvent(event)
        self._fold()

    def _fold(self) -> None:
        """Details only where something is chosen; all of it narrower where there is little room."""
        chosen = bool(self.list.selectionModel().selectedIndexes())
        narrow = self.width() < NARROW
        self.details.setVisible(chosen)
        self.details.setFixedWidth(NARROW_DETAILS if narrow else WIDE_DETAILS)
        for box in (self.kind, self.architecture):
            box.setMaximumWidth(NARROW_FILTER if narrow else WIDE_FILTER)
        self.search.setPlaceholderText(
            self.tr("Search") if narrow else self.tr("Search names, folders and trigger words")
        )


class _EmptyState(QWidget):
    """What the list shows while it has nothing to show."""

    def __init__(self) -> None:
        super().__init__()
        self.title = label("", "title", wrap=True)
        self.line = label("", "muted", wrap=True)
        self.add = _add_button()
        self.download = _download_button()
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.XL, theme.XL, theme.XL, theme.XL)
        column.setSpacing(theme.M)
        column.addStretch(2)
        for text in (self.title, self.line):
            text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            column.addWidget(text)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.S)
        buttons.addStretch(1)
        buttons.addWidget(self.add)
        buttons.addWidget(self.download)
        buttons.addStretch(1)
        column.addLayout(buttons)
        column.addStretch(3)

    def show_state(self, *, searching: bool, scanning: bool) -> None:
        """``searching``: there are models, but none is as asked for; ``scanning``: more may come."""
        if scanning:
            self.title.setText(self.tr("Looking for models…"))
            self.line.setText(self.tr("Only the beginning of each file is read."))
        elif searching:
            self.title.setText(self.tr("Nothing found"))
            self.line.setText(self.tr("No model has all these words, this kind and this architecture."))
        else:
            self.title.setText(self.tr("No models yet"))
            self.line.setText(
                self.tr(
                    "Add the folder where your models are, or drop it here: of Automatic1111, Forge, ComfyUI (or its "
                    "extra_model_paths.yaml), InvokeAI, Hugging Face, or any other. It is only read."
                )
            )
        for button in (self.add, self.download):
            button.setVisible(not searching and not scanning)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        return QSize(240, 160)


def _add_button() -> QPushButton:
    text = QCoreApplication.translate("models", "Add folder…")
    button = QPushButton(text)
    button.setAccessibleName(text)
    tip = "Look for models in another folder. Nothing there is moved or changed."
    button.setToolTip(QCoreApplication.translate("models", tip))
    return button


def _download_button() -> QPushButton:
    text = QCoreApplication.translate("models", "Download…")
    button = QPushButton(text)
    button.setAccessibleName(text)
    tip = "Fetch a model from Hugging Face, Civitai or any other link."
    button.setToolTip(QCoreApplication.translate("models", tip))
    return button


def _filter_box(name: str, tip: str) -> CalmComboBox:
    box = CalmComboBox()
    box.setAccessibleName(name)
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    box.addItem(name, "")
    return box


def _fill(box: QComboBox, values: list[str], names: dict[str, str]) -> None:
    """Offer ``values`` after "all", keeping what is chosen where that is still there."""
    if [box.itemData(row) for row in range(1, box.count())] == values:
        return
    chosen = box.currentData()
    while box.count() > 1:
        box.removeItem(1)
    for value in values:
        box.addItem(names[value], value)
    box.setCurrentIndex(max(0, box.findData(chosen)))
