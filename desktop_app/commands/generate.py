"""``generate``: pictures, by the same request and the same engine as in the window."""

from __future__ import annotations

import argparse

from desktop_app.commands.making import make
from desktop_app.commands.options import add_common_arguments, start_fields
from desktop_app.core.catalog import PICTURE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("prompt", help='what to draw; put "--" before one that begins with "-"')
    parser.add_argument("-o", "--output", metavar="FILE", help="a .png, .jpg or .webp file, or a folder")
    parser.add_argument("--image", metavar="FILE", help="a picture to start from, drawn anew as --strength says")
    parser.add_argument("--refiner", metavar="NAME", help="a model that finishes the pictures of Stable Diffusion XL")
    parser.add_argument("--refiner-at", type=float, metavar="X", help="share of the noise after which it goes on")
    add_common_arguments(parser, PICTURE)


def run(options: argparse.Namespace) -> int:
    """Make and save the pictures. Returns the exit code. Raises ``AppError`` (``RequestError`` for bad arguments)."""
    refining = {"refiner": options.refiner, "refiner_at": options.refiner_at}
    return make(options, PICTURE, {**start_fields(options.image), **refining})
