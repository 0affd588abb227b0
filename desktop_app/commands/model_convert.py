"""``models convert``: pickled weights written anew as safetensors."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from desktop_app.checkpoints.consent import require_consent
from desktop_app.commands.progress import Progress
from desktop_app.core.errors import RequestError
from desktop_app.core.events import Loading


def add_arguments(commands: Any) -> None:
    """The sub-command, for argparse's action that ``models`` has for them."""
    about = "write pickled weights (.ckpt, .pt, .pth, .bin) anew as .safetensors"
    converting = commands.add_parser(
        "convert", help=about, description=f"{about.capitalize()}; the old file stays as it is."
    )
    converting.add_argument("file", type=Path, metavar="FILE", help="a file of pickled weights")
    converting.add_argument("-o", "--output", type=Path, metavar="OUT", help="the new file; by default beside the old")
    converting.add_argument("--json", action="store_true", help="print the progress and the new file as JSON lines")
    add_trust(converting)
    converting.set_defaults(models=_convert)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """The option by which a person agrees to have a pickled file read."""
    about = "read the weights of a pickled file, which can hide programs; nothing in it is run"
    parser.add_argument("--trust-pickle", action="store_true", help=about)


def _convert(options: argparse.Namespace) -> int:
    """Write the new file and print its name. Returns 0. Raises ``AppError``, ``RequestError``."""
    file: Path = options.file.expanduser().absolute()
    if not file.is_file():
        raise RequestError("file.missing", file=str(options.file))
    to = options.output.expanduser().absolute() if options.output else file.with_suffix(".safetensors")
    if not to.parent.is_dir():
        raise RequestError("library.no-folder", path=str(to.parent))
    require_consent([file], lambda _: options.trust_pickle)

    from desktop_app.engine.pickles import convert  # torch: seconds, and not needed to say no

    line = Progress(enabled=not options.json, kind="model")
    try:
        written = convert(file, to, _as_json if options.json else lambda done: line.show(Loading(file.name, done)))
    finally:
        line.clear()
    print(json.dumps({"path": str(written)}) if options.json else written, flush=True)
    return 0


def _as_json(done: float) -> None:
    sys.stdout.write(json.dumps({"done": round(done, 4)}) + "\n")
    sys.stdout.flush()
