"""How the generation thread reaches an engine: a child process by default, or this process for tests.

The window's process never imports the engine: the child is started by module name, and the in-process transport is
handed its engine by ``app.py``.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from desktop_app.core.control import StopSignal
from desktop_app.core.events import END, EngineReady, Event, Picture
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import RunRecord
from desktop_app.core.wire import WireError, pack_event, read_message, unpack_event, write_message
from desktop_app.studio.child import console_python, environment

_LOG_BYTES = 1_000_000
"""An engine's log that has grown beyond this starts anew with the next engine."""


class EngineDied(Exception):
    """The engine is gone; the text says what is known of the reason, as part of a sentence."""


class Transport(Protocol):
    """One engine, used by one generation thread; :meth:`stop` and :meth:`kill` may be called from any thread."""

    def open(self) -> EngineReady:
        """Start the engine and wait until it is up. Raises ``EngineDied``."""
        ...

    def run(
        self,
        job: int,
        request: GenerationRequest,
        *,
        preview: bool,
        replay: RunRecord | None = None,
        source: Picture | None = None,
    ) -> Iterator[Event]:
        """The events of one job, the last of which is one of ``events.END``. Raises ``EngineDied``.

        With ``source`` that picture is enlarged and nothing is denoised.
        """
        ...

    def warm(self, model: str) -> None:
        """Load a model while nothing else is to be done; returns at once."""
        ...

    def stop(self, job: int, *, keep: bool) -> None:
        """Cancel a job, or finish it with the current estimate (``keep``). Never waits."""
        ...

    def kill(self) -> None:
        """End the engine this moment, whatever it is doing. A job in :meth:`run` then raises ``EngineDied``."""
        ...

    def alive(self) -> bool: ...

    def close(self) -> None:
        """End the engine and forget it; :meth:`open` starts another."""
        ...


class ProcessTransport:
    """An engine in a child process, spoken to over its pipes (see :mod:`desktop_app.core.wire`)."""

    def __init__(self, arguments: Callable[[], Sequence[str]], log: Path) -> None:
        """``arguments()`` gives the command line of ``desktop_app.engine.process`` at each start; its stderr goes to
        ``log``."""
        self._arguments = arguments
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._write_lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Of the engine process."""
        return self._process.pid if self._process else None

    def open(self) -> EngineReady:
        self.close()
        full = self._log.exists() and self._log.stat().st_size > _LOG_BYTES
        with self._log.open("wb" if full else "ab") as log:
            self._process = subprocess.Popen(
                [console_python(), "-m", "desktop_app.engine.process", *self._arguments()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        event = self._receive()[1]
        if not isinstance(event, EngineReady):
            raise EngineDied("it did not introduce itself")
        return event

    def run(
        self,
        job: int,
        request: GenerationRequest,
        *,
        preview: bool,
        replay: RunRecord | None = None,
        source: Picture | None = None,
    ) -> Iterator[Event]:
        message = {"do": "generate", "job": job, "request": request.to_json(), "preview": preview}
        message["replay"] = replay.to_json() if replay else None
        message["source"], pixels = pack_event(source) if source else (None, b"")
        self._send(message, pixels)
        while True:
            owner, event = self._receive()
            if owner != job:
                continue
            yield event
            if isinstance(event, END):
                return

    def warm(self, model: str) -> None:
        self._send({"do": "warm", "model": model})

    def stop(self, job: int, *, keep: bool) -> None:
        try:
            self._send({"do": "stop", "job": job, "keep": keep})
        except EngineDied:
            return  # the thread that reads will notice

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()  # it owns nothing that a kill could harm: every file is written by this side
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                _close_quietly(stream)

    def _send(self, header: dict[str, Any], body: bytes = b"") -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise EngineDied("it is not running")
        try:
            with self._write_lock:
                write_message(process.stdin, header, body)
        except (OSError, ValueError) as problem:
            raise EngineDied(self._reason()) from problem

    def _receive(self) -> tuple[int | None, Event]:
        process = self._process
        if process is None or process.stdout is None:
            raise EngineDied("it is not running")
        try:
            message = read_message(process.stdout)
            if message is None:
                raise EngineDied(self._reason())
            header, body = message
            return header.get("job"), unpack_event(header, body)
        except WireError as problem:
            self.kill()
            raise EngineDied(f"it sent {problem}") from problem
        except (OSError, ValueError) as problem:
            raise EngineDied(self._reason()) from problem

    def _reason(self) -> str:
        process = self._process
        if process is None:
            return "it was closed"
        try:
            code = process.wait(1)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return "it was killed; perhaps memory ran out" if name == "SIGKILL" else name


class InProcessTransport:
    """An engine in this process, run by the thread that calls :meth:`run`. For tests and ``--in-process``."""

    def __init__(self, start: Callable[[], Any], serve: Callable[..., Iterator[Event]]) -> None:
        """``start()`` makes an ``Engine``; ``serve`` is ``desktop_app.engine.engine.serve``."""
        self._start = start
        self._serve = serve
        self._engine: Any = None
        self._stops: dict[int, StopSignal] = {}

    def open(self) -> EngineReady:
        self._engine = self._start()
        return self._engine.ready()

    def run(
        self,
        job: int,
        request: GenerationRequest,
        *,
        preview: bool,
        replay: RunRecord | None = None,
        source: Picture | None = None,
    ) -> Iterator[Event]:
        stop = self._stops.setdefault(job, StopSignal())
        yield from self._serve(self._engine, request, stop, preview=preview, replay=replay, source=source)
        self._stops.pop(job, None)

    def warm(self, model: str) -> None:
        """Nothing: it would hold up the thread; the first job loads the model."""

    def stop(self, job: int, *, keep: bool) -> None:
        signal = self._stops.setdefault(job, StopSignal())
        signal.keep() if keep else signal.cancel()

    def kill(self) -> None:
        """Nothing: a thread cannot be ended from outside."""

    def alive(self) -> bool:
        return self._engine is not None

    def close(self) -> None:
        self._engine = None


def _close_quietly(stream: Any) -> None:
    try:
        stream.close()
    except OSError:
        return  # a flush into a closed pipe; there is nobody left to tell
