"""``film``: films, by the same request and the same engine as in the window."""

from __future__ import annotations

import argparse
from typing import Any

from desktop_app.commands.making import make
from desktop_app.commands.options import add_common_arguments, start_fields
from desktop_app.core.catalog import FILM
from desktop_app.core.request import EXTEND


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    about = 'what happens; put "--" before one that begins with "-". Models that film a picture need none'
    parser.add_argument("prompt", nargs="?", default="", help=about)
    files = "a .mp4, .webm, .gif or .webp file, a .png for one picture per frame, or a folder"
    parser.add_argument("-o", "--output", metavar="FILE", help=files)
    parser.add_argument("--frames", type=int, metavar="N", help="how many frames; of an extended film, how many new")
    parser.add_argument("--fps", type=int, metavar="F", help="frames per second")
    parser.add_argument("--loop", action="store_true", help="let the last frame lead back to the first")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--image", metavar="FILE", help="a picture or film to start from, drawn anew as --strength says")
    start.add_argument("--extend", metavar="FILE", help="a film or picture that the new frames go on from")
    parser.add_argument("--motion-model", metavar="NAME", help="motion adapter that makes a picture model film")
    parser.add_argument("--motion-bucket", type=int, metavar="N", help="how much moves, 0 to 255, where the model asks")
    parser.add_argument(
        "--noise-augmentation",
        type=float,
        metavar="X",
        help="noise over the start picture, 0 to 1, for freer motion, where the model asks",
    )
    add_common_arguments(parser, FILM)


def run(options: argparse.Namespace) -> int:
    """Make and save the films. Returns the exit code. Raises ``AppError`` (``RequestError`` for bad arguments)."""
    names = ("frames", "fps", "loop", "motion_model", "motion_bucket", "noise_augmentation")
    own: dict[str, Any] = {name: getattr(options, name) for name in names}
    start = start_fields(options.extend, EXTEND) if options.extend is not None else start_fields(options.image)
    return make(options, FILM, {**own, **start})
