"""A transport that plays prepared events in place of an engine, so that every state of the window can be reached."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from desktop_app.core import events as ev
from desktop_app.core.frames import Frames
from desktop_app.core.machine import Machine
from desktop_app.core.messages import Message
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import Result, RunRecord
from desktop_app.studio.transport import EngineDied

MACHINE = Machine("cpu", "Scripted", "float32", memory=16 << 30, free=12 << 30, ram_free=12 << 30)
RUN = RunRecord(
    device="cpu",
    device_name="Scripted",
    dtype="float32",
    guidance_form="two-pass",
    threads=1,
    versions={"safelight": "0", "torch": "0", "diffusers": "0", "transformers": "0"},
)
Script = Callable[[GenerationRequest], Iterator[ev.Event]]


def frames(width: int = 8, height: int = 8, shade: int = 128) -> Frames:
    """One frame of one grey."""
    return Frames(1, height, width, bytes([shade]) * (width * height * 3))


def draw(request: GenerationRequest) -> Iterator[ev.Event]:
    """A job that goes well."""
    yield ev.Loading("unet", 0.5)
    yield ev.Encoding()
    for index in range(request.count):
        for step in range(1, request.steps + 1):
            preview = frames(request.width // 8, request.height // 8, 255 * step // request.steps)
            yield ev.Denoising(index, request.count, step, request.steps, preview)
        yield ev.Decoding(index)
        single = request.single(index)
        result = Result(request=single, run=RUN, seconds=0.1, steps_done=request.steps)
        yield ev.Picture(index, frames(*request.final_size, 200), result)
    yield ev.Finished(0.2)


def enlarge(request: GenerationRequest, source: ev.Picture) -> Iterator[ev.Event]:
    """A finished picture drawn larger."""
    yield ev.Decoding(0)
    yield ev.Picture(0, frames(*request.final_size, source.frames.data[0]), replace(source.result, request=request))
    yield ev.Finished(0.1)


def fail(request: GenerationRequest) -> Iterator[ev.Event]:
    """A job that runs out of memory in its first step."""
    yield ev.Encoding()
    yield ev.Failed(Message("engine.memory", {"device": "CPU"}), "Traceback (most recent call last): …")


def die(request: GenerationRequest) -> Iterator[ev.Event]:
    """A job that takes the engine with it."""
    yield ev.Encoding()
    raise EngineDied("SIGSEGV")


class ScriptedTransport:
    """Plays ``scripts`` in turn, then :func:`draw` for every further job (:func:`enlarge` for one with a source).

    Clearing :attr:`gate` holds a job before its next event; with ``deaf`` a held job does not hear a cancel, as an
    engine that is stuck inside a driver.
    """

    def __init__(self, *scripts: Script, deaf: bool = False) -> None:
        self.scripts = deque(scripts)
        self.requests: list[GenerationRequest] = []
        self.replays: list[RunRecord | None] = []
        self.sources: list[ev.Picture | None] = []
        self.warmed: list[str] = []
        self.machine = MACHINE
        self.opened = 0
        self.gate = threading.Event()
        self.gate.set()
        self._deaf = deaf
        self._alive = False
        self._cancelled: set[int] = set()
        self._kept: set[int] = set()

    def open(self) -> ev.EngineReady:
        self.opened += 1
        self._alive = True
        return ev.EngineReady(RUN, self.machine)

    def run(
        self,
        job: int,
        request: GenerationRequest,
        *,
        preview: bool,
        replay: RunRecord | None = None,
        source: ev.Picture | None = None,
    ) -> Iterator[ev.Event]:
        self.requests.append(request)
        self.replays.append(replay)
        self.sources.append(source)
        usual = partial(enlarge, source=source) if source else draw
        script = self.scripts.popleft() if self.scripts else usual
        for event in script(request):
            while not self.gate.wait(0.01):
                if not self._alive or (job in self._cancelled and not self._deaf):
                    break
            if not self._alive:
                raise EngineDied("SIGKILL")
            if job in self._cancelled:
                yield ev.Cancelled()
                return
            yield event

    def warm(self, model: str) -> None:
        self.warmed.append(model)

    def stop(self, job: int, *, keep: bool) -> None:
        (self._kept if keep else self._cancelled).add(job)

    def kill(self) -> None:
        self._alive = False

    def alive(self) -> bool:
        return self._alive

    def close(self) -> None:
        self._alive = False
