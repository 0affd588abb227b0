"""Measures the window: time to first paint, engine start, event-loop delay by phase, and cancel latency.

    python tests/benchmark/window.py [--model NAME_OR_FOLDER] [--cancels N] [--starts N]

Nothing else should use the processor meanwhile. Delays are those of a 1 ms timer on the GUI thread: how late Qt's event
loop came round to it. The engine is the real one, in its own process.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def first_paint(folder: Path) -> float:
    """Seconds from the start of a fresh process to the window's first paint."""
    started = time.time()
    command = [sys.executable, __file__, "--paint-only", str(folder)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) - started


def paint_only(folder: Path) -> None:
    """In the fresh process: print the time of the first paint and leave."""
    from PySide6.QtCore import QEvent, QObject
    from PySide6.QtWidgets import QApplication

    from desktop_app.app import Program, apply_theme
    from desktop_app.core.paths import app_paths

    class Watch(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 (Qt's name)
            if event.type() == QEvent.Type.Paint:
                print(time.time(), flush=True)
                os._exit(0)
            return False

    app = QApplication([])
    paths = app_paths(folder)
    paths.prepare()
    program = Program(paths)
    apply_theme(app, program.settings.get("theme"))
    watch = Watch()
    program.window.installEventFilter(watch)
    program.window.show()
    app.exec()


def wait_until(ready: Callable[[], bool]) -> None:
    """Run Qt's own event loop, as the program does, until ``ready()``; looks every 5 ms."""
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    look = QTimer(interval=5)
    look.timeout.connect(lambda: loop.quit() if ready() else None)
    look.start()
    loop.exec()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure_phases(folder: Path, model: str, cancels: int) -> None:
    """Drive the real program: start, load, denoise, cancel; print what the event loop felt."""
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from desktop_app.app import Program, apply_theme
    from desktop_app.core.paths import app_paths
    from desktop_app.core.request import GenerationRequest

    app = QApplication.instance() or QApplication([])
    paths = app_paths(folder)
    paths.prepare()
    program = Program(paths)
    apply_theme(app, program.settings.get("theme"))
    queue = program.queue
    delays: defaultdict[str, list[float]] = defaultdict(list)
    last = [time.perf_counter()]

    def phase() -> str:
        if queue.engine_state == "starting":
            return "importing"
        return queue.current.state if queue.current else "idle"

    def tick() -> None:
        now = time.perf_counter()
        delays[phase()].append(max(0.0, now - last[0] - 0.001) * 1000)
        last[0] = now

    timer = QTimer(interval=1)
    timer.timeout.connect(tick)
    begun = time.perf_counter()
    program.start()
    settled = time.perf_counter() + 0.3
    wait_until(lambda: time.perf_counter() > settled)
    last[0] = time.perf_counter()
    timer.start()
    wait_until(lambda: queue.engine_state == "ready")
    print(f"engine ready            {time.perf_counter() - begun:6.2f} s after the window was shown")

    request = program.draft.request()
    if model:
        request = GenerationRequest(model=model, prompt="a red house", steps=2, scheduler="euler")
    for _ in range(3 if not model else 1):
        job = queue.add(request)
        begun = time.perf_counter()
        wait_until(lambda job=job: job.ended)
        print(f"job                     {time.perf_counter() - begun:6.2f} s ({job.state})")
    print("event-loop delay, ms         n     p50     p99     max")
    for name, values in delays.items():
        p50, p99, most = percentile(values, 0.5), percentile(values, 0.99), max(values)
        print(f"  {name:20s} {len(values):8d} {p50:7.2f} {p99:7.2f} {most:7.2f}")
    timer.stop()
    latencies = [cancel_latency(program, request) for _ in range(cancels)]
    if latencies:
        print(f"cancel, s: median {statistics.median(latencies):.3f}  max {max(latencies):.3f}  (n = {len(latencies)})")
    program.window.hide()
    program.close()


def cancel_latency(program, request) -> float:
    """Seconds from the cancel of a running job, at a random moment, to its end."""
    queue = program.queue
    job = queue.add(replace(request, steps=200))
    wait_until(lambda: job.state == "denoising")
    moment = time.perf_counter() + random.uniform(0, 0.5)
    wait_until(lambda: time.perf_counter() > moment)
    begun = time.perf_counter()
    queue.cancel()
    wait_until(lambda: job.ended)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="a diffusers folder; default: the program's own model")
    parser.add_argument("--cancels", type=int, default=10)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--paint-only", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.paint_only:
        paint_only(options.paint_only)
        return
    with tempfile.TemporaryDirectory() as folder:
        starts = [first_paint(Path(folder)) for _ in range(options.starts)]
        median = statistics.median(starts)
        print(f"window painted          {median:6.2f} s (median of {len(starts)}; least {min(starts):.2f})")
        measure_phases(Path(folder), options.model, options.cancels)


if __name__ == "__main__":
    main()
