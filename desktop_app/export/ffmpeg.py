"""The ffmpeg that imageio-ffmpeg brings, as a process of its own: found, fed with frames, and its errors in words."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from desktop_app.core.errors import AppError

_QUIET = ("-hide_banner", "-loglevel", "error", "-y")
_READ_SECONDS = 30.0
"""For what reads a file's facts only; a hostile file must not hold it longer."""
_FULL = ("No space left on device", "Disk quota exceeded")
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""On Windows a console program opens a console otherwise."""


def find_ffmpeg() -> str:
    """Path of the program; ``IMAGEIO_FFMPEG_EXE`` wins, then imageio-ffmpeg's own. Raises ``AppError``."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return get_ffmpeg_exe()
    except (ImportError, RuntimeError) as problem:
        raise AppError("ffmpeg.missing") from problem


def run_ffmpeg(arguments: Sequence[str], data: bytes | None = None, *, target: Path) -> None:
    """Run ffmpeg with ``data`` on its standard input; it writes ``target``.

    Its messages go to a file, so that neither side waits for the other. Whatever happens, it has ended on return.
    Raises ``AppError`` ("ffmpeg.missing", "ffmpeg.start", "ffmpeg.failed", "save.full").
    """
    command = [find_ffmpeg(), *_QUIET, *arguments, str(target)]
    with tempfile.TemporaryFile() as messages:
        process = _start(command, stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL, stderr=messages)
        try:
            if data is not None:
                _feed(process, data)
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code:
            raise _failure(messages, code, target)


def read_output(arguments: Sequence[str]) -> str:
    """What ffmpeg prints on its standard output; "" when it fails. Raises ``AppError`` when it cannot be started."""
    command = [find_ffmpeg(), *_QUIET, "-nostdin", *arguments]
    with tempfile.TemporaryFile() as output:
        process = _start(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL)
        try:
            code = process.wait(_READ_SECONDS)
        except BaseException as problem:
            process.kill()
            process.wait()
            if isinstance(problem, subprocess.TimeoutExpired):
                return ""
            raise
        output.seek(0)
        return "" if code else output.read().decode("utf-8", "replace")


def _start(
    command: list[str], *, stdin: int, stderr: int | IO[bytes], stdout: int | IO[bytes] = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, creationflags=_NO_WINDOW)
    except OSError as problem:
        raise AppError("ffmpeg.start", file=command[0], reason=problem.strerror or str(problem)) from problem


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Write ``data``; a process that ends before it has read all of it says why by its code and its messages."""
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.close()
    except (BrokenPipeError, OSError):
        process.stdin = None  # closed by the other side; nothing is left to flush


def _failure(messages: IO[bytes], code: int, target: Path) -> AppError:
    messages.seek(0)
    lines = messages.read().decode("utf-8", "replace").strip().splitlines()
    if any(text in line for line in lines for text in _FULL):
        return AppError("save.full", file=target.name, folder=str(target.parent))
    reason = lines[-1].strip().rstrip(".") if lines else f"it ended with code {code}"
    return AppError("ffmpeg.failed", reason=reason)
