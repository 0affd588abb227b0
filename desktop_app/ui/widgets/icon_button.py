"""A button that is only an icon, and therefore always has a name and a tooltip."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QToolButton, QWidget

from desktop_app.ui import theme
from desktop_app.ui.icons import icon


class IconButton(QToolButton):
    """``name`` is for screen readers, ``tip`` the plain sentence that says what it does."""

    def __init__(
        self, icon_name: str, name: str, tip: str, parent: QWidget | None = None, *, checkable: bool = False
    ) -> None:
        super().__init__(parent)
        self.setIconSize(QSize(theme.ICON, theme.ICON))
        self.setFixedSize(theme.CONTROL_HEIGHT, theme.CONTROL_HEIGHT)
        self.setCheckable(checkable)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.dress(icon_name, name, tip)

    def dress(self, icon_name: str, name: str, tip: str) -> None:
        """Change what it shows and says."""
        self.setIcon(icon(icon_name))
        self.setAccessibleName(name)
        self.setToolTip(tip)
