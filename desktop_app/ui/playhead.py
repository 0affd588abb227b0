"""Which frame of a film is in front: the one timer of everything that plays."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

SPEEDS = (0.25, 0.5, 1.0, 1.5, 2.0)


class Playhead(QObject):
    """Counts frames in time. Its timer runs only while a film plays and can be seen."""

    moved = Signal(int)
    """Frame (from 0) that is in front now."""
    changed = Signal()
    """It plays or stands still, or plays otherwise, or there is another film."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.count = 1
        self.index = 0
        self.fps = 1.0
        self.speed = 1.0
        self.loop = True
        self.playing = False
        self._film: object = None
        self._held: set[str] = set()
        self._timer = QTimer(self, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    @property
    def running(self) -> bool:
        """Whether the timer runs."""
        return self._timer.isActive()

    def put_in(self, film: object, count: int, fps: float, *, play: bool) -> None:
        """``count`` frames at ``fps``; the same ``film`` with newer pixels goes on where it is, unless it shall stand.

        ``film`` is compared by ``==`` and says nothing else.
        """
        if (film, count) != (self._film, self.count):
            self.index = 0
            self.playing = play and count > 1
        elif not play:
            self.playing = False
        self._film, self.count, self.fps = film, count, fps
        self._run()
        self.changed.emit()

    def play(self) -> None:
        """From here, or from the start where the end was reached."""
        if self.count > 1:
            if not self.loop and self.index == self.count - 1:
                self.seek(0)
            self._set_playing(True)

    def pause(self) -> None:
        self._set_playing(False)

    @Slot()
    def toggle(self) -> None:
        """Play or pause."""
        self.pause() if self.playing else self.play()

    def step(self, by: int) -> None:
        """Stand still ``by`` frames further on; the last leads to the first."""
        self.pause()
        self.seek((self.index + by) % self.count)

    @Slot(int)
    def seek(self, index: int) -> None:
        """Bring frame ``index`` to the front; it plays on from there if it plays."""
        index = max(0, min(self.count - 1, index))
        if index != self.index:
            self.index = index
            self.moved.emit(index)

    def set_speed(self, speed: float) -> None:
        """``speed`` 1 is as fast as the film was made for."""
        self.speed = speed
        self._run()
        self.changed.emit()

    @Slot(bool)
    def set_loop(self, loop: bool) -> None:
        """Whether the last frame leads to the first."""
        self.loop = loop
        self.changed.emit()

    def hold(self, reason: str, held: bool) -> None:
        """Stand still for as long as there is a reason, such as that nobody can see it."""
        (self._held.add if held else self._held.discard)(reason)
        self._run()

    def _set_playing(self, playing: bool) -> None:
        self.playing = playing
        self._run()
        self.changed.emit()

    def _run(self) -> None:
        """Start or stop the timer; one that runs at the right pace is left alone, so that the beat is kept."""
        interval = max(1, round(1000 / (self.fps * self.speed)))
        if not self.playing or self.count < 2 or self._held:
            self._timer.stop()
        elif not self._timer.isActive() or self._timer.interval() != interval:
            self._timer.start(interval)

    @Slot()
    def _tick(self) -> None:
        if not self.loop and self.index == self.count - 1:
            self.pause()
        else:
            self.seek((self.index + 1) % self.count)
