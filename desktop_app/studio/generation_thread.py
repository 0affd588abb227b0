"""The background thread that runs the diffusion pipeline through a transport, and saves what comes back.

It speaks to the main thread by signals alone, and only :class:`desktop_app.studio.job_queue.JobQueue` listens.
"""

from __future__ import annotations

import queue
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, Signal

from desktop_app.core.errors import AppError
from desktop_app.core.events import Cancelled, Event, Failed, Picture
from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result, RunRecord
from desktop_app.studio.transport import EngineDied, Transport

if TYPE_CHECKING:
    from desktop_app.export.pictures import Saved  # Pillow is not needed before the first picture

_Command = Enum("_Command", ["RESTART", "END"])
_LOOK_EVERY_S = 0.5
"""How often an idle thread looks whether its engine is still there."""


@dataclass(frozen=True, slots=True)
class FinishedPicture:
    """A picture or film and where it lies; ``path`` is None when it could not be saved, and ``message`` says why.

    Its frames are kept here in every case.
    """

    frames: Frames
    result: Result
    path: Path | None
    message: Message | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One job as the thread needs it."""

    job: int
    request: GenerationRequest
    preview: bool
    replay: RunRecord | None
    source: Picture | None
    """The picture to enlarge; None to make one from noise."""


@dataclass(frozen=True, slots=True)
class Warm:
    """Load a model while there is nothing else to do."""

    model: str


class GenerationThread(QThread):
    """Owns the engine. Orders go in through :meth:`submit`; everything comes out as signals."""

    engine_starting = Signal()
    """An engine is being started, for the first time or again."""
    engine_ready = Signal(object)
    """EngineReady: a (new) engine is up."""
    engine_stopped = Signal(object)
    """Message: the engine is gone and could not be started again."""
    happened = Signal(int, object)
    """(job, Event). Ends with one of ``events.END``; pictures come through :attr:`picture` instead."""
    picture = Signal(int, int, object)
    """(job, index, FinishedPicture): saved already."""

    def __init__(
        self, transport: Transport, save: Callable[[Frames, Result], Saved], parent: QObject | None = None
    ) -> None:
        """``save`` writes one finished picture or film; it is called on this thread and raises ``AppError``."""
        super().__init__(parent)
        self._transport = transport
        self._save = save
        self._orders: queue.Queue[Order | Warm | _Command] = queue.Queue()
        self._cancelled: set[int] = set()

    # -- from the main thread

    def submit(self, order: Order) -> None:
        self._orders.put(order)

    def warm(self, model: str) -> None:
        """Load ``model`` while there is nothing else to do."""
        self._orders.put(Warm(model))

    def stop(self, job: int, *, keep: bool = False) -> None:
        """Cancel ``job``, or finish it with the current estimate. Takes its own path to the engine; never waits."""
        if not keep:
            self._cancelled.add(job)
        self._transport.stop(job, keep=keep)

    def restart_engine(self) -> None:
        """Start another engine once the orders given so far are carried out."""
        self._orders.put(_Command.RESTART)

    def kill_engine(self) -> None:
        """End the engine this moment; the running job ends as cancelled if it was cancelled, else as failed."""
        self._transport.kill()

    def shut_down(self) -> None:
        """End the engine and the thread, and wait for it."""
        self._orders.put(_Command.END)
        while not self.wait(100):  # a start that was under way may bring up another engine
            self._transport.kill()

    # -- on this thread

    def run(self) -> None:
        """The thread's life: keep an engine up, run orders one after another."""
        up = self._open()
        while (order := self._next_order()) is not _Command.END:
            died = up and not self._transport.alive()
            if died or order is _Command.RESTART or (isinstance(order, Order) and not up):
                up = self._open()
            if isinstance(order, Order):
                up = self._carry_out(order) if up else self._refuse(order)
            elif isinstance(order, Warm) and up:
                self._warm(order.model)
        self._transport.close()

    def _next_order(self) -> Order | Warm | _Command | None:
        """The next order, or None when there was nothing to do for a while."""
        try:
            return self._orders.get(timeout=_LOOK_EVERY_S)
        except queue.Empty:
            return None

    def _open(self) -> bool:
        self.engine_starting.emit()
        try:
            ready = self._transport.open()
        except (EngineDied, OSError) as problem:
            self._transport.close()
            self.engine_stopped.emit(Message("engine.not-starting", {"reason": str(problem)}))
            return False
        self.engine_ready.emit(ready)
        return True

    def _warm(self, model: str) -> None:
        try:
            self._transport.warm(model)
        except EngineDied:
            return  # the next look finds it gone and starts another

    def _refuse(self, order: Order) -> bool:
        message = Message("engine.not-starting", {"reason": "the log says more"})
        self.happened.emit(order.job, Cancelled() if order.job in self._cancelled else Failed(message))
        return False

    def _carry_out(self, order: Order) -> bool:
        """Run one job to its last event; whether the engine is up afterwards.

        One of the two doors where an unexpected error becomes a message.
        """
        if order.job in self._cancelled:
            self.happened.emit(order.job, Cancelled())
            return True
        try:
            options = {"preview": order.preview, "replay": order.replay, "source": order.source}
            for event in self._transport.run(order.job, order.request, **options):
                self._pass_on(order.job, event)
        except EngineDied as problem:
            self.happened.emit(order.job, self._end_of(order.job, str(problem)))
            return self._open()
        except Exception as problem:  # a defect of ours must not leave the job running for ever
            message = Message("engine.failed", {"reason": str(problem) or type(problem).__name__})
            self.happened.emit(order.job, Failed(message, traceback.format_exc()))
        self._cancelled.discard(order.job)
        return True

    def _end_of(self, job: int, reason: str) -> Event:
        if job in self._cancelled:
            return Cancelled()
        return Failed(Message("engine.stopped", {"reason": reason}))

    def _pass_on(self, job: int, event: Event) -> None:
        if not isinstance(event, Picture):
            self.happened.emit(job, event)
            return
        try:
            saved = self._save(event.frames, event.result)
        except AppError as problem:
            finished = FinishedPicture(event.frames, event.result, None, problem.message)
        else:
            notice = saved.notices[0] if saved.notices else None
            finished = FinishedPicture(event.frames, event.result, saved.path, notice)
        self.picture.emit(job, event.index, finished)
