"""Own line icons from ``resources/icons``, drawn in the colours of the theme in force."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from desktop_app.core.paths import resources_dir
from desktop_app.ui import theme


class _LineIconEngine(QIconEngine):
    """Fills ``currentColor`` of one SVG at the moment of painting, so that a change of theme needs no new icon."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def clone(self) -> QIconEngine:
        return _LineIconEngine(self._name)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(0, 0, size.width(), size.height()), mode, state)
        painter.end()
        return pixmap

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        role = "faint" if mode == QIcon.Mode.Disabled else "muted" if state == QIcon.State.Off else "text"
        _renderer(self._name, getattr(theme.tokens(), role)).render(painter, QRectF(rect))


@cache
def _renderer(name: str, colour: str) -> QSvgRenderer:
    text = (resources_dir() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    return QSvgRenderer(QByteArray(text.replace("currentColor", colour).encode()))


@cache
def icon(name: str) -> QIcon:
    """The icon in ``resources/icons/<name>.svg``; quieter while its button is not checked."""
    return QIcon(_LineIconEngine(name))


def paint_icon(painter: QPainter, name: str, rect: QRectF, role: str) -> None:
    """Draw an icon in the colour of ``role`` (a token's name)."""
    _renderer(name, getattr(theme.tokens(), role)).render(painter, rect)
