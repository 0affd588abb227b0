"""The command line: without a command it opens the window; the commands need none.

Exit codes: 0 done, 2 bad arguments, 130 after Ctrl+C, 1 for everything else, said in one sentence on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

import desktop_app
from desktop_app.core.errors import AppError, RequestError
from desktop_app.core.messages import Message

INTERRUPTED = 130
"""Exit code after Ctrl+C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with ``arguments`` (by default those of the process). Returns the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # pythonw has none
            stream.reconfigure(errors="backslashreplace")  # a name the terminal cannot show is no reason to fail
    try:
        options = _parser().parse_args(arguments)
        code = options.run(options)
        if sys.stdout:  # pythonw has none
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read it, such as “head”, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except AppError as problem:
        return _fail(problem.message, 2 if isinstance(problem, RequestError) else 1, debug)
    except KeyboardInterrupt:
        return INTERRUPTED
    except ModuleNotFoundError as problem:
        package = str(problem.name).partition(".")[0]
        return _fail(Message("dependency.missing", {"package": package}), 1, debug)
    except Exception as problem:  # the command line's last door
        reason = f"{type(problem).__name__}: {problem}"
        return _fail(Message("command.failed", {"reason": reason}), 1, debug)


def _fail(message: Message, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"safelight: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    from desktop_app.commands import (
        doctor,
        film,
        generate,
        launcher,
        models,
        window,
    )  # inside main's doors: they need packages

    parser = argparse.ArgumentParser(
        prog="safelight",
        description=desktop_app.__doc__,
        epilog="Without a command, the window opens. Each command has its own --help.",
    )
    parser.add_argument("--version", action="version", version=f"Safelight {desktop_app.__version__}")
    _add_common(parser, data_dir=None, debug=False)
    window.add_arguments(parser)
    parser.set_defaults(run=window.run)
    commands = parser.add_subparsers(title="commands", metavar="")
    for name, module, about in (
        ("generate", generate, "make pictures without a window"),
        ("film", film, "make films without a window"),
        ("models", models, "say what model files are, without loading them; download others"),
        ("doctor", doctor, "say what is installed, what is missing, and how to get it"),
        ("launcher", launcher, "put an entry to double-click on the desktop and in the menu"),
    ):
        command = commands.add_parser(name, help=about, description=f"{about.capitalize()}.")
        _add_common(command, data_dir=argparse.SUPPRESS, debug=argparse.SUPPRESS)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _add_common(parser: argparse.ArgumentParser, *, data_dir: str | None, debug: bool | str) -> None:
    """Options that may stand before or behind the command; a command's own default must not undo the first."""
    help = "keep settings, cache and pictures in this folder"
    parser.add_argument("--data-dir", type=Path, default=data_dir, metavar="FOLDER", help=help)
    parser.add_argument("--debug", action="store_true", default=debug, help="show where an error comes from")
