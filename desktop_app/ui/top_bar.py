"""The bar above the canvas: fold the columns, zoom, menu."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QToolButton, QWidget

from desktop_app.ui import theme
from desktop_app.ui.canvas import Canvas
from desktop_app.ui.widgets.icon_button import IconButton


class TopBar(QFrame):
    """Quiet: everything in it has a key and a place in the menu too."""

    def __init__(self, canvas: Canvas, menu: QMenu, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self.setProperty("role", "bar")
        self.left = IconButton(
            "panel-left",
            self.tr("Prompt panel"),
            self.tr("Show or hide the prompt and its controls ({keys}).").format(keys=_native("Ctrl+1")),
            checkable=True,
        )
        self.right = IconButton(
            "panel-right",
            self.tr("Queue and details"),
            self.tr("Show or hide the queue and the details ({keys}).").format(keys=_native("Ctrl+2")),
            checkable=True,
        )
        self.zoom = QPushButton()
        self.zoom.setFlat(True)
        self.zoom.setToolTip(self.tr("Change between the whole picture and its true pixels (Z). The wheel zooms."))
        self.menu = IconButton("menu", self.tr("Menu"), self.tr("Everything Safelight can do."))
        self.menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu.setMenu(menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.S, theme.XS, theme.S, theme.XS)
        row.setSpacing(theme.XS)
        row.addWidget(self.left)
        row.addStretch(1)
        row.addWidget(self.zoom, 0, Qt.AlignmentFlag.AlignCenter)
        row.addStretch(1)
        row.addWidget(self.right)
        row.addWidget(self.menu)
        self.zoom.clicked.connect(canvas.toggle_zoom)
        canvas.zoom_changed.connect(self._show_zoom)
        self._show_zoom()

    @Slot()
    def _show_zoom(self) -> None:
        percent = self.tr("{percent} %").format(percent=round(100 * self._canvas.zoom))
        text = self.tr("Fit · {percent}").format(percent=percent) if self._canvas.fitted else percent
        self.zoom.setText(text)
        self.zoom.setAccessibleName(self.tr("Zoom: {zoom}").format(zoom=text))
        policy = self.zoom.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.zoom.setSizePolicy(policy)
        self.zoom.setVisible(self._canvas.has_image)


def _native(keys: str) -> str:
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
