"""Every action of the window in one table: what it is called, which keys it has, what it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.ui.translate import translated_label


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """One action. With ``on_picture`` its keys count only while the canvas or the strip has the focus."""

    id: str
    text: str
    tip: str
    keys: tuple[str, ...] = ()
    on_picture: bool = False


ACTIONS: tuple[ActionFacts, ...] = (
    ActionFacts("generate", "Generate", "Make the picture, after those that wait.", ("Ctrl+Return", "Ctrl+Enter")),
    ActionFacts(
        "generate_first",
        "Generate next",
        "Make the picture before those that wait.",
        ("Ctrl+Shift+Return", "Ctrl+Shift+Enter"),
    ),
    ActionFacts("stop", "Stop", "Stop the running job.", ("Esc",)),
    ActionFacts("keep", "Stop and keep", "Take no further step, and finish the picture as it is now.", ("Ctrl+K",)),
    ActionFacts("create", "Create", "Make pictures and films.", ("Ctrl+Shift+1",)),
    ActionFacts("models", "Models", "See and choose your models.", ("Ctrl+Shift+2",)),
    ActionFacts("find_model", "Find a model…", "Search all your models.", ("Ctrl+F",)),
    ActionFacts("download", "Download a model…", "Fetch a model from Hugging Face or any link.", ("Ctrl+Shift+D",)),
    ActionFacts("focus_prompt", "Go to the prompt", "Put the cursor into the prompt.", ("Ctrl+L",)),
    ActionFacts("surprise", "Surprise me", "Write a sentence of what the model can draw.", ("Ctrl+Shift+P",)),
    ActionFacts("weigh_more", "More weight", "Give the words at the cursor more weight in the prompt.", ("Ctrl+Up",)),
    ActionFacts("weigh_less", "Less weight", "Give the words at the cursor less weight in the prompt.", ("Ctrl+Down",)),
    ActionFacts("new_seed", "New seed", "Draw a new seed and lock it.", ("Ctrl+D",)),
    ActionFacts("use_all", "Use all", "Take prompt, settings and seed of this picture.", ("A",), True),
    ActionFacts("use_prompt", "Use prompt", "Take only the prompt of this picture.", ("P",), True),
    ActionFacts("use_seed", "Use seed", "Take only the seed of this picture, and lock it.", ("S",), True),
    ActionFacts("remix", "Remix", "Take everything but the seed, for another picture of this kind.", ("R",), True),
    ActionFacts("reproduce", "Reproduce", "Make this picture again exactly as it was made.", ("Ctrl+R",)),
    ActionFacts("enlarge", "Enlarge", "Draw this picture larger, and save it as another.", ("E",), True),
    ActionFacts("undo_use", "Undo use", "Put back what stood in the controls before.", ("Ctrl+Z",)),
    ActionFacts("previous", "Previous picture", "Show the picture before this one.", ("Left", "Up"), True),
    ActionFacts("next", "Next picture", "Show the picture after this one.", ("Right", "Down"), True),
    ActionFacts("copy_image", "Copy image", "Copy the picture, to paste it elsewhere.", ("Ctrl+C",), True),
    ActionFacts("play", "Play or pause", "Play the film, or let it stand still.", ("Space",), True),
    ActionFacts("frame_back", "Frame back", "Show the frame before this one.", (",",)),
    ActionFacts("frame_forward", "Frame forward", "Show the frame after this one.", (".",)),
    ActionFacts("save_frame", "Save this frame…", "Save the frame in front as a picture.", ("Ctrl+Shift+S",)),
    ActionFacts("use_start", "Use as start picture", "Let the next one start from what is in front.", ("I",), True),
    ActionFacts("extend", "Extend from here", "Let the next film go on from the frame in front.", ("X",), True),
    ActionFacts("contact_sheet", "Contact sheet…", "Show all frames of the film at once.", ("Ctrl+T",)),
    ActionFacts("copy_prompt", "Copy prompt", "Copy the words this picture was made from.", ("Ctrl+Shift+C",)),
    ActionFacts("save_as", "Save as…", "Save a copy of the picture where you like.", ("Ctrl+S",)),
    ActionFacts("open_picture", "Open", "Open the picture in your picture viewer.", ("Return", "Enter"), True),
    ActionFacts("show_in_folder", "Show in folder", "Show the file of this picture in its folder.", ("Ctrl+E",)),
    ActionFacts("toggle_zoom", "Fit or 100 %", "Change between the whole picture and its true pixels.", ("Z",)),
    ActionFacts("zoom_in", "Zoom in", "Show the picture larger.", ("Ctrl++", "Ctrl+=")),
    ActionFacts("zoom_out", "Zoom out", "Show the picture smaller.", ("Ctrl+-",)),
    ActionFacts("canvas_only", "Canvas only", "Show nothing but the picture; once more brings all back.", ("F",)),
    ActionFacts("fold_left", "Prompt panel", "Show or hide the prompt and its controls.", ("Ctrl+1",)),
    ActionFacts("fold_right", "Queue and details", "Show or hide the queue and the details.", ("Ctrl+2",)),
    ActionFacts("fold_strip", "Recent pictures", "Show or hide the strip of recent pictures.", ("Ctrl+3",)),
    ActionFacts("open_folder", "Open output folder", "Open the folder where pictures are saved.", ("Ctrl+O",)),
    ActionFacts("settings", "Settings…", "Folder, file names, format, theme and device.", ("Ctrl+,",)),
    ActionFacts("shortcuts", "Shortcuts…", "See all actions and their keys.", ("F1",)),
    ActionFacts("copy_report", "Copy report", "Copy what a maintainer needs to know. Nothing is sent."),
    ActionFacts("about", "About Safelight", "Versions and licences."),
    ActionFacts("quit", "Quit", "Close Safelight.", ("Ctrl+Q",)),
)
MENU: tuple[str, ...] = (
    *("generate", "generate_first", "stop", "keep", "", "prompt", "picture", "film", "view", ""),
    *("create", "models", "find_model", "download", ""),
    *("open_folder", "settings", "theme", "shortcuts", "copy_report", "about", "", "quit"),
)
"""The window's menu; "" is a separator, "theme" the submenu of themes, and so are the keys of :data:`SUBMENUS`."""
SUBMENUS: dict[str, tuple[str, tuple[str, ...]]] = {
    "prompt": ("Prompt", ("focus_prompt", "surprise", "weigh_more", "weigh_less", "new_seed", "", "undo_use")),
    "picture": (
        "Picture",
        ("save_as", "copy_image", "copy_prompt", "show_in_folder", "", "use_start", "enlarge", "reproduce"),
    ),
    "film": ("Film", ("play", "save_frame", "extend", "contact_sheet")),
    "view": ("View", ("toggle_zoom", "canvas_only", "", "fold_left", "fold_right", "fold_strip")),
}
"""Their names and what is in them."""
PICTURE_MENU: tuple[str, ...] = (
    *("open_picture", "show_in_folder", "save_as", ""),
    *("copy_image", "copy_prompt", ""),
    *("use_all", "remix", "use_prompt", "use_seed", "use_start", "", "enlarge", "reproduce"),
)
"""The menu of a picture."""
FRAME_MENU: tuple[str, ...] = ("copy_image", "save_frame", "", "use_start", "extend", "", "contact_sheet")
"""The menu of the frame in front, in the bar under a film."""
FILM_MENU: tuple[str, ...] = (
    *("open_picture", "show_in_folder", "save_as", "", *FRAME_MENU, ""),
    *("copy_prompt", "use_all", "remix", "use_prompt", "use_seed", "", "reproduce"),
)
"""The menu of a film."""
_ROLES = {
    "settings": QAction.MenuRole.PreferencesRole,
    "about": QAction.MenuRole.AboutRole,
    "quit": QAction.MenuRole.QuitRole,
}


def make_actions(
    window: QWidget, picture_widgets: tuple[QWidget, ...], handlers: Mapping[str, Callable[[], object]]
) -> dict[str, QAction]:
    """One ``QAction`` for each line of :data:`ACTIONS`. ``KeyError`` when one has no handler."""
    made = {}
    for facts in ACTIONS:
        action = QAction(translated_label("actions", facts.text), window)
        tip = translated_label("actions", facts.tip)
        action.setObjectName(facts.id)
        action.setShortcuts([QKeySequence(keys) for keys in facts.keys])
        action.setToolTip(tip)
        action.setStatusTip(tip)
        action.setMenuRole(_ROLES.get(facts.id, QAction.MenuRole.NoRole))
        action.triggered.connect(handlers[facts.id])
        if facts.on_picture:
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            for widget in picture_widgets:
                widget.addAction(action)
        else:
            window.addAction(action)
        made[facts.id] = action
    return made


def fill_menu(
    menu: QMenu, ids: tuple[str, ...], actions: Mapping[str, QAction], submenus: Mapping[str, QMenu] | None = None
) -> None:
    """Put actions, separators and ``submenus`` into ``menu``."""
    menu.setToolTipsVisible(True)
    for id in ids:
        if id == "":
            menu.addSeparator()
        elif submenus and id in submenus:
            menu.addMenu(submenus[id])
        else:
            menu.addAction(actions[id])


def make_submenus(parent: QMenu, actions: Mapping[str, QAction]) -> dict[str, QMenu]:
    """One menu for each line of :data:`SUBMENUS`."""
    made = {}
    for id, (text, ids) in SUBMENUS.items():
        made[id] = QMenu(translated_label("actions", text), parent)
        fill_menu(made[id], ids, actions)
    return made
