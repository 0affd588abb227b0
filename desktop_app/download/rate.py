"""Speed over the last seconds, and the time that is left."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable

SPAN = 8.0
"""Seconds that the speed is averaged over."""


class Rate:
    """Told how many bytes are here, says how fast they come."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._points: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, done: int) -> None:
        """``done`` bytes are here now."""
        now = self._clock()
        if self._points and done < self._points[-1][1]:
            self._points.clear()  # a part was begun anew
        self._points.append((now, done))
        while len(self._points) > 2 and now - self._points[0][0] > SPAN:
            self._points.popleft()

    @property
    def speed(self) -> float:
        """Bytes per second; 0 while nobody can say."""
        if len(self._points) < 2:
            return 0.0
        (begin, first), (end, last) = self._points[0], self._points[-1]
        return (last - first) / (end - begin) if end > begin else 0.0

    def left(self, total: int | None) -> float | None:
        """Seconds until ``total`` bytes are here; None while nobody can say."""
        if not total or not self.speed or not self._points:
            return None
        return max(0, total - self._points[-1][1]) / self.speed
