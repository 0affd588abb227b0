"""The two faces of the start picture: a row that asks for one, and a card that shows it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QIcon, QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.icons import icon
from desktop_app.ui.images import DURATION
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import ElidedLabel

SIDE = 48
"""Of the small picture, in px."""
SMALL_ICON = 16


class ChooseButton(QPushButton):
    """One quiet dashed row; a text that is too long ends in "…"."""

    def __init__(self, text: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(icon("picture"), text, parent)
        self._text = text
        self.setProperty("role", "drop")
        self.setIconSize(QSize(SMALL_ICON, SMALL_ICON))
        self.setAccessibleName(text)
        self.setToolTip(tip)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        super().resizeEvent(event)
        room = self.width() - SMALL_ICON - 3 * theme.S
        self.setText(self.fontMetrics().elidedText(self._text, Qt.TextElideMode.ElideRight, room))


class StartCard(QFrame):
    """The picture in small, the name of its file, and a button that takes it away."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "start")
        self.picture = QPushButton()
        self.picture.setProperty("role", "thumbnail")
        self.picture.setFixedSize(SIDE + theme.S, SIDE + theme.S)
        self.name = ElidedLabel(cut=Qt.TextElideMode.ElideMiddle)
        self.about = ElidedLabel("", "muted")
        self.shape = QPushButton(icon("fit"), self.tr("Use its shape"))
        self.shape.setProperty("role", "link")
        self.shape.setIconSize(QSize(SMALL_ICON, SMALL_ICON))
        self.shape.setAccessibleName(self.shape.text())
        self.clear = IconButton(
            "close", self.tr("Start without it"), self.tr("Start from noise alone again (Delete). The file stays.")
        )
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addStretch(1)
        words.addWidget(self.name)
        words.addWidget(self.about)
        words.addWidget(self.shape, 0, Qt.AlignmentFlag.AlignLeft)
        words.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.XS, theme.XS, theme.XS, theme.XS)
        row.setSpacing(theme.S)
        row.addWidget(self.picture)
        row.addLayout(words, 1)
        row.addWidget(self.clear, 0, Qt.AlignmentFlag.AlignTop)
        self.show_file("")
        self.offer_shape(None)

    def show_file(self, path: str) -> None:
        """Name the file; its picture comes with :meth:`show_image`, where it can be read."""
        name = Path(path).name
        self.name.setText(name)
        self.name.set_tip(path)
        self.about.setText(self.tr("Start picture"))
        self.picture.setIcon(icon("picture"))
        self.picture.setIconSize(QSize(theme.ICON, theme.ICON))
        self.picture.setAccessibleName(self.tr("Start picture: {file}").format(file=name))
        self.picture.setToolTip(self.tr("{file}. Click to choose another one.").format(file=name))

    def show_image(self, image: QImage) -> None:
        """``image`` tells by its texts when it is the first frame of a film."""
        ratio = self.devicePixelRatioF()
        smooth = Qt.TransformationMode.SmoothTransformation
        small = image.scaled(QSize(SIDE, SIDE) * ratio, Qt.AspectRatioMode.KeepAspectRatio, smooth)
        pixmap = QPixmap.fromImage(small)
        pixmap.setDevicePixelRatio(ratio)
        self.picture.setIcon(QIcon(pixmap))
        self.picture.setIconSize(QSize(SIDE, SIDE))
        if DURATION in image.textKeys():
            seconds = self.locale().toString(float(image.text(DURATION)), "f", 1)
            self.about.setText(self.tr("Start film · {seconds} s").format(seconds=seconds))

    def offer_shape(self, size: tuple[int, int] | None) -> None:
        """Offer to set (width, height) in px, which suits the picture better; None where there is nothing to offer."""
        self.shape.setVisible(size is not None)
        self.about.setVisible(size is None)
        width, height = size or (0, 0)
        tip = self.tr("Set the size to {width} × {height} px, so that nothing of the start picture is cut off.")
        self.shape.setToolTip(tip.format(width=width, height=height))
