"""The engine's own process: ``python -m desktop_app.engine.process``, spoken to over stdin and stdout.

Messages in: ``generate``, ``stop``, ``warm`` (see :mod:`desktop_app.core.wire` for their form); the body of
``generate`` is the picture to enlarge, if there is one. Messages out: events with the number of their job.
A reader thread takes messages as they come, so that a stop never waits behind a job; when the window's end of the pipe
closes, the process leaves at once, even in the middle of a step.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import faulthandler
import os
import queue
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from desktop_app.checkpoints.consent import Consents, nobody_agreed
from desktop_app.core import network
from desktop_app.core.control import StopSignal
from desktop_app.core.errors import AppError
from desktop_app.core.events import Event, Failed, Picture
from desktop_app.core.memory_plan import AUTO, WISHES, Wishes
from desktop_app.core.request import GenerationRequest
from desktop_app.core.result import RunRecord
from desktop_app.core.wire import WireError, pack_event, read_message, unpack_event, write_message


class Inbox:
    """Receives messages on a thread of its own: work is queued, stops take effect immediately."""

    def __init__(self, stream: BinaryIO) -> None:
        self.work: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue()
        """(header, body) of each message."""
        self.stops: collections.defaultdict[int, StopSignal] = collections.defaultdict(StopSignal)
        threading.Thread(target=self._read, args=(stream,), daemon=True, name="inbox").start()

    def _read(self, stream: BinaryIO) -> None:
        try:
            while message := read_message(stream):
                header = message[0]
                if header["do"] == "stop":
                    stop = self.stops[header["job"]]
                    stop.keep() if header["keep"] else stop.cancel()
                else:
                    self.work.put(message)
        except (WireError, OSError, KeyError):
            pass  # a broken window is a closed window
        os._exit(0)


def main() -> None:
    """Serve one window until its pipe closes."""
    options = _options()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is the window's business
    _lower_priority()
    network.set_offline(True)  # for good: whatever is downloaded, the window does it
    inbox, outbox = Inbox(sys.stdin.buffer), _private_stdout()

    from desktop_app.engine.engine import Engine  # seconds of imports, while stops and the end are already heard

    wishes = Wishes.of(partial(getattr, options))
    trusts = Consents(options.consents).given if options.consents else nobody_agreed
    engine = Engine(
        models=options.models,
        cache=options.cache,
        device=options.device,
        wishes=wishes,
        sharp_preview=options.sharp_preview,
        trusts=trusts,
    )
    _send(outbox, None, engine.ready())
    while True:
        try:
            work = inbox.work.get(timeout=options.idle * 60 or None)
        except queue.Empty:
            engine.release()
            work = inbox.work.get()
        _handle(engine, work, inbox, outbox)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The engine of Safelight; started by its window.")
    parser.add_argument("--models", type=Path, action="append", required=True, help="folder of model folders")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--device", default="auto")
    for wish in WISHES:
        parser.add_argument(f"--{wish}", default=AUTO)
    parser.add_argument("--sharp-preview", type=float, default=0, help="seconds between previews by a tiny autoencoder")
    parser.add_argument("--consents", type=Path, help="file that says which pickled files may be read")
    parser.add_argument("--idle", type=float, default=10, help="minutes until unused models leave memory; 0: never")
    return parser.parse_args()


def _handle(engine: Any, work: tuple[dict[str, Any], bytes], inbox: Inbox, outbox: BinaryIO) -> None:
    from desktop_app.engine.engine import serve

    message, body = work
    if message["do"] == "warm":
        with contextlib.suppress(AppError):  # the first job says it, where somebody listens
            engine.warm(message["model"])
        return
    job = message["job"]
    replay = message["replay"]
    source = unpack_event(message["source"], body) if message["source"] else None
    assert source is None or isinstance(source, Picture)
    try:
        request = GenerationRequest.from_json(message["request"])
    except AppError as problem:
        _send(outbox, job, Failed(problem.message))
        return
    events = serve(
        engine,
        request,
        inbox.stops[job],
        preview=message["preview"],
        replay=RunRecord.from_json(replay) if replay else None,
        source=source,
    )
    for event in events:
        _send(outbox, job, event)
    inbox.stops.pop(job, None)


def _send(outbox: BinaryIO, job: int | None, event: Event) -> None:
    header, body = pack_event(event)
    write_message(outbox, {**header, "job": job}, body)


def _private_stdout() -> BinaryIO:
    """The pipe to the window for messages alone; what libraries print goes to stderr, which is the log."""
    private = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return private


def _lower_priority() -> None:
    """The window and the user's other programs go first."""
    import psutil

    process = psutil.Process()
    with contextlib.suppress(psutil.Error, OSError):
        process.nice(10 if os.name == "posix" else psutil.BELOW_NORMAL_PRIORITY_CLASS)


if __name__ == "__main__":
    main()
