"""One line on a terminal that shows how far a job is; nothing at all when the output is piped."""

from __future__ import annotations

import shutil
import sys
import time

from desktop_app.core.events import Decoding, Denoising, Encoding, Event, Loading

_BAR = 24


class Progress:
    """Draws on stderr, only while that is a terminal."""

    def __init__(self, *, enabled: bool, kind: str) -> None:
        """``kind`` is what is made: "picture" or "film"."""
        self._kind = kind
        self._enabled = enabled and sys.stderr is not None and sys.stderr.isatty()
        self._started: dict[int, float] = {}
        """When each picture's first step began, in seconds of the monotonic clock."""
        self._drawn = False

    def show(self, event: Event) -> None:
        """Redraw the line for an event; events without progress leave it as it is."""
        match event:
            case Loading(what, fraction):
                self._draw(f"{_bar(fraction)} loading {what}")
            case Encoding():
                self._draw(f"{_bar(0)} reading the prompt")
            case Denoising(picture, pictures, step, steps):
                which = f"{self._kind} {picture + 1} of {pictures}, " if pictures > 1 else ""
                left = self._time_left(picture, step, steps)
                self._draw(f"{_bar(step / steps)} {which}step {step} of {steps}{left}")
            case Decoding():
                self._draw(f"{_bar(1)} developing")

    def clear(self) -> None:
        """Take the line away, so that something else can be printed."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def _time_left(self, picture: int, step: int, steps: int) -> str:
        started = self._started.setdefault(picture, time.monotonic())
        if step == 0:
            return ""
        seconds = (time.monotonic() - started) / step * (steps - step)
        return f", {seconds:.0f} s left"

    def _draw(self, text: str) -> None:
        if self._enabled:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
            self._drawn = True


def _bar(fraction: float) -> str:
    done = round(fraction * _BAR)
    return f"[{'#' * done}{'-' * (_BAR - done)}]"
