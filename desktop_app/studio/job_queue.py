"""The jobs: waiting, running and just ended. The one place where the generation thread meets the main thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from desktop_app.core import events as ev
from desktop_app.core.frames import Frames
from desktop_app.core.machine import Machine
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import RunRecord
from desktop_app.studio.generation_thread import FinishedPicture, GenerationThread, Order

log = logging.getLogger(__name__)
CANCEL_WITHIN_MS = 2000
"""An engine that has not answered a cancel for this long is ended and started again."""


@dataclass(eq=False)
class Job:
    """One request on its way. Only :class:`JobQueue` writes to it."""

    id: int
    request: GenerationRequest
    replay: RunRecord | None = None
    source: ev.Picture | None = None
    state: str = "waiting"
    """waiting, loading, encoding, denoising, decoding, and at the end finished, cancelled or failed."""
    loading_what: str = ""
    loading_fraction: float = 0.0
    picture: int = 0
    step: int = 0
    steps: int = 0
    preview: Frames | None = None
    seconds_left: float | None = None
    seconds: float = 0.0
    message: Message | None = None
    details: str = ""
    stopping: bool = False
    finished: list[FinishedPicture] = field(default_factory=list)
    _pace: _Pace = field(default_factory=lambda: _Pace())

    @property
    def pictures(self) -> int:
        return self.request.count

    @property
    def ended(self) -> bool:
        return self.state in ("finished", "cancelled", "failed")


class _Pace:
    """Time left, from the steps seen so far (a first step is often slower, so the mean starts after it)."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def seconds_left(self, done: int, total: int) -> float | None:
        now = time.monotonic()
        if self._first is None:
            if done > 0:
                self._first = (done, now)
            return None
        steps, start = done - self._first[0], self._first[1]
        return (now - start) / steps * (total - done) if steps > 0 else None


class JobQueue(QObject):
    """First in, first out, one at a time. Everybody else listens here, never to the thread."""

    changed = Signal()
    """The list of jobs changed."""
    progressed = Signal(object)
    """Job: its state, step or preview changed."""
    picture = Signal(object, object)
    """(Job, FinishedPicture)."""
    ended = Signal(object)
    """Job: finished, cancelled or failed."""
    notice = Signal(object)
    """Message worth showing that stops nothing."""
    engine_changed = Signal()

    def __init__(self, thread: GenerationThread, preview: Callable[[], bool], parent: QObject | None = None) -> None:
        """``preview()`` says at the start of each job whether previews are wanted."""
        super().__init__(parent)
        self._thread = thread
        self._preview = preview
        self._next_id = 1
        self._current: Job | None = None
        self._waiting: list[Job] = []
        self.engine_state = "starting"
        self.engine_run: RunRecord | None = None
        self.machine: Machine | None = None
        self._deadline = QTimer(self, singleShot=True, interval=CANCEL_WITHIN_MS)
        self._deadline.timeout.connect(self._cancel_took_too_long)
        thread.engine_starting.connect(self._engine_starting)
        thread.engine_ready.connect(self._engine_ready)
        thread.engine_stopped.connect(self._engine_stopped)
        thread.happened.connect(self._event)
        thread.picture.connect(self._picture)

    @property
    def current(self) -> Job | None:
        return self._current

    @property
    def waiting(self) -> tuple[Job, ...]:
        return tuple(self._waiting)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The running job, then the waiting ones in their order."""
        return ((self._current,) if self._current else ()) + self.waiting

    def add(
        self,
        request: GenerationRequest,
        front: bool = False,
        replay: RunRecord | None = None,
        source: ev.Picture | None = None,
    ) -> Job:
        """Queue a job; its seed is fixed now.

        ``replay`` runs it as it was run before (Reproduce); with ``source`` that finished picture is enlarged, and
        nothing is denoised.
        """
        job = Job(self._next_id, request.with_fixed_seed(), replay, source, steps=request.steps)
        self._next_id += 1
        self._waiting.insert(0 if front else len(self._waiting), job)
        self.changed.emit()
        self._start_next()
        return job

    def again(self, job: Job) -> Job:
        """Queue the same request, same seed, once more."""
        return self.add(job.request, replay=job.replay, source=job.source)

    def remove(self, job_id: int) -> None:
        """Take a waiting job off the list."""
        self._waiting = [job for job in self._waiting if job.id != job_id]
        self.changed.emit()

    def clear_waiting(self) -> None:
        self._waiting.clear()
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the running job; if the engine does not answer in time it is ended and started again."""
        if self._current and not self._current.stopping:
            self._current.stopping = True
            self._thread.stop(self._current.id)
            self._deadline.start()
            self.progressed.emit(self._current)

    def keep(self) -> None:
        """Take no further step: decode the current estimate and save it."""
        if self._current:
            self._thread.stop(self._current.id, keep=True)

    def warm(self, model: str) -> None:
        """Let the engine load ``model`` while there is nothing else to do."""
        if not self.jobs:
            self._thread.warm(model)

    def restart_engine(self) -> None:
        """Start the engine anew, with the settings as they are now, as soon as the running job has ended."""
        self._thread.restart_engine()

    def _start_next(self) -> None:
        if self._current or not self._waiting or self.engine_state == "starting":
            return
        job = self._current = self._waiting.pop(0)
        job.state = "loading"
        self._thread.submit(Order(job.id, job.request, self._preview(), job.replay, job.source))
        self.changed.emit()
        self.progressed.emit(job)

    @Slot()
    def _cancel_took_too_long(self) -> None:
        if self._current and self._current.stopping:
            if self.engine_state == "ready":
                self._thread.kill_engine()
            else:  # nothing runs yet that could be killed, and the thread will drop the job when it comes to it
                self._end(self._current, "cancelled")

    @Slot()
    def _engine_starting(self) -> None:
        self._set_engine("starting")

    @Slot(object)
    def _engine_ready(self, ready: ev.EngineReady) -> None:
        self._set_engine("ready", ready)
        for message in ready.notices:
            self.notice.emit(message)
        self._start_next()

    @Slot(object)
    def _engine_stopped(self, message: Message) -> None:
        self._set_engine("stopped")
        self.notice.emit(message)
        self._start_next()

    def _set_engine(self, state: str, ready: ev.EngineReady | None = None) -> None:
        self.engine_state = state
        self.engine_run, self.machine = (ready.run, ready.machine) if ready else (None, None)
        self.engine_changed.emit()

    @Slot(int, int, object)
    def _picture(self, job_id: int, index: int, finished: FinishedPicture) -> None:
        job = self._current
        if job and job.id == job_id:
            job.finished.append(finished)
            self.picture.emit(job, finished)

    @Slot(int, object)
    def _event(self, job_id: int, event: ev.Event) -> None:
        job = self._current
        if job is None or job.id != job_id:
            return
        match event:
            case ev.Notice(message):
                self.notice.emit(message)
            case ev.Finished(seconds):
                job.seconds = seconds
                self._end(job, "finished")
            case ev.Cancelled():
                self._end(job, "cancelled")
            case ev.Failed(message, details):
                log.error("job %s: %s\n%s", job.id, message, details)
                job.message, job.details = message, details
                self._end(job, "failed")
            case _:
                _progress(job, event)
                self.progressed.emit(job)

    def _end(self, job: Job, state: str) -> None:
        self._deadline.stop()
        job.state, job.stopping = state, False
        self._current = None
        self.progressed.emit(job)
        self.ended.emit(job)
        self.changed.emit()
        self._start_next()


def _progress(job: Job, event: ev.Event) -> None:
    """Write what ``event`` says into ``job``."""
    match event:
        case ev.Loading(what, fraction):
            job.state, job.loading_what, job.loading_fraction = "loading", what, fraction
        case ev.Encoding():
            job.state = "encoding"
        case ev.Decoding(picture):
            job.state, job.picture = "decoding", picture
        case ev.Denoising(picture, pictures, step, steps, preview):
            job.state, job.picture, job.step, job.steps = "denoising", picture, step, steps
            job.seconds_left = job._pace.seconds_left(picture * steps + step, pictures * steps)
            job.preview = preview or (job.preview if step else None)
