"""The bar under a finished film: play, frame by frame, scrub, speed, loop, and what can be done with a frame."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, QLocale, QObject, Qt, Slot
from PySide6.QtGui import QAction, QActionGroup, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QToolButton, QVBoxLayout, QWidget

from desktop_app.ui import theme
from desktop_app.ui.actions import FRAME_MENU, fill_menu
from desktop_app.ui.images import Film
from desktop_app.ui.playhead import SPEEDS, Playhead
from desktop_app.ui.widgets.icon_button import IconButton
from desktop_app.ui.widgets.labels import label
from desktop_app.ui.widgets.scrub_slider import ScrubSlider

ROOM_FOR_STEPS = 400
"""Narrower than this, in px, the bar leaves the buttons for single frames to their keys."""
_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class PlayerBar(QWidget):
    """Empty, and therefore without height, while there is no film. Arrows within it go frame by frame."""

    def __init__(self, playhead: Playhead, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._playhead = playhead
        self._film: Film | None = None
        self.frame = QFrame()
        self.frame.setProperty("role", "foot")
        self.back = IconButton("frame-back", self.tr("Frame back"), self.tr("Show the frame before this one (,)."))
        self.play = IconButton("play", self.tr("Play"), self.tr("Play the film (Space)."))
        self.forward = IconButton(
            "frame-forward", self.tr("Frame forward"), self.tr("Show the frame after this one (.).")
        )
        self.scrub = ScrubSlider()
        self.scrub.setAccessibleName(self.tr("Frame"))
        self.scrub.setToolTip(self.tr("Go to a frame. The arrow keys go frame by frame."))
        self.counter = label("", "muted")
        self.counter.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.speed = self._menu_button(self.tr("Speed"), self.tr("How fast the film is played."))
        self._fill_speeds(self.speed.menu())
        self.loop = IconButton(
            "loop", self.tr("Loop"), self.tr("Play the film over and over, or once."), checkable=True
        )
        self.more = IconButton("more", self.tr("This frame"), self.tr("See what can be done with this frame."))
        self._lay_out()
        self._connect()
        self.show_film(None)

    def _menu_button(self, name: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setFixedHeight(theme.CONTROL_HEIGHT)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setAccessibleName(name)
        button.setToolTip(tip)
        button.setMenu(QMenu(button))
        return button

    def _fill_speeds(self, menu: QMenu) -> None:
        group = QActionGroup(menu)
        for speed in SPEEDS:
            action = menu.addAction(self._speed_text(speed))
            action.setCheckable(True)
            action.setChecked(speed == self._playhead.speed)
            action.triggered.connect(lambda _=False, speed=speed: self._playhead.set_speed(speed))
            group.addAction(action)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self.frame)
        row.setContentsMargins(theme.M, theme.XS, theme.S, theme.XS)
        row.setSpacing(theme.XS)
        for part in (self.back, self.play, self.forward):
            row.addWidget(part)
        row.addWidget(self.scrub, 1)
        row.addSpacing(theme.XS)
        for part in (self.counter, self.speed, self.loop, self.more):
            row.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.frame)

    def _connect(self) -> None:
        playhead = self._playhead
        self.back.clicked.connect(lambda: playhead.step(-1))
        self.play.clicked.connect(playhead.toggle)
        self.forward.clicked.connect(lambda: playhead.step(1))
        self.scrub.valueChanged.connect(playhead.seek)
        self.scrub.sliderPressed.connect(lambda: playhead.hold("scrub", True))
        self.scrub.sliderReleased.connect(lambda: playhead.hold("scrub", False))
        self.loop.toggled.connect(playhead.set_loop)
        playhead.moved.connect(self._moved)
        playhead.changed.connect(self._refresh)
        for part in (self.back, self.play, self.forward, self.scrub, self.speed, self.loop, self.more):
            part.installEventFilter(self)

    def give_actions(self, actions: Mapping[str, QAction]) -> None:
        """The actions on a single frame, for the menu at the end of the bar."""
        menu = QMenu(self.more)
        fill_menu(menu, FRAME_MENU, actions)
        self.more.setMenu(menu)
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)

    def show_film(self, film: Film | None) -> None:
        """Be there for ``film``; a picture (None) needs no bar."""
        self._film = film
        self.frame.setVisible(film is not None)
        self.scrub.frame = film.image if film else None
        if film:
            self.counter.setMinimumWidth(self.counter.fontMetrics().horizontalAdvance(self._count(film, film.count)))
        self._refresh()

    @Slot()
    def _refresh(self) -> None:
        playing = self._playhead.playing
        self.play.dress(
            "pause" if playing else "play",
            self.tr("Pause") if playing else self.tr("Play"),
            self.tr("Stand still (Space).") if playing else self.tr("Play the film (Space)."),
        )
        self.loop.setChecked(self._playhead.loop)
        self.speed.setText(self._speed_text(self._playhead.speed))
        self._moved()

    @Slot()
    def _moved(self) -> None:
        if self._film is None:
            return
        self.scrub.blockSignals(True)
        self.scrub.setRange(0, self._film.count - 1)
        self.scrub.setValue(self._playhead.index)
        self.scrub.blockSignals(False)
        self.counter.setText(self._count(self._film, self._playhead.index + 1))

    def _count(self, film: Film, number: int) -> str:
        seconds = QLocale().toString(number / film.fps, "f", 1)
        return self.tr("{number} / {count} · {seconds} s").format(number=number, count=film.count, seconds=seconds)

    def _speed_text(self, speed: float) -> str:
        return self.tr("{speed}×").format(speed=QLocale().toString(speed, "g", 3))

    # -- keys and room

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
        """Arrows would go from button to button."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and event.key() in _STEPS:
            self._playhead.step(_STEPS[Qt.Key(event.key())])
            return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 (Qt's name)
        if event.key() == Qt.Key.Key_Space:  # on the slider; a button takes it as a click
            self._playhead.toggle()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        super().resizeEvent(event)
        for button in (self.back, self.forward):
            button.setVisible(self.width() >= ROOM_FOR_STEPS)
