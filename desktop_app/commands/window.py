"""No command: the window. What would keep Qt from starting is said in a sentence before Qt can end the process."""

from __future__ import annotations

import argparse
import os
import sys

from desktop_app.core.errors import AppError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The window's own arguments."""
    parser.add_argument("--in-process", action="store_true", help="run the engine inside the window's process")
    parser.add_argument("--quit-after", type=float, metavar="SECONDS", help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Open the window. Returns the exit code when it is closed. Raises ``AppError`` when it cannot open."""
    if not has_display():
        raise AppError("display.none")
    try:
        from desktop_app.app import run as run_window
    except ModuleNotFoundError as problem:
        if str(problem.name).startswith("PySide6"):
            raise AppError("dependency.missing", package="PySide6") from problem
        raise
    except ImportError as problem:  # a shared library of the system that Qt wants
        raise AppError("qt.libraries", reason=problem.msg) from problem
    return run_window(
        data_dir=options.data_dir, in_process=options.in_process, debug=options.debug, quit_after=options.quit_after
    )


def has_display() -> bool:
    """Whether a window could be shown: False on Linux without X11, Wayland or a chosen Qt platform."""
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
