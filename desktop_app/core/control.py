"""Stopping a job from another thread."""

from __future__ import annotations

import threading


class StopSignal:
    """Set by one thread, read by the thread that generates. Cancel wins over keep and cannot be taken back.

    "Keep" means: do no further step, decode the current estimate, and finish.
    """

    def __init__(self) -> None:
        self._cancel = threading.Event()
        self._keep = threading.Event()

    def cancel(self) -> None:
        self._cancel.set()

    def keep(self) -> None:
        self._keep.set()

    @property
    def cancelled(self) -> bool:
        return self._cancel.is_set()

    @property
    def kept(self) -> bool:
        return self._keep.is_set()
