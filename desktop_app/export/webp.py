"""WebP: smaller than JPEG at the same quality."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from pathlib import Path

from PIL import Image

from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export.metadata import exif_block, parameters_text, recipe_text, xmp_packet
from desktop_app.export.reading import images_of
from desktop_app.export.video import FilmOptions, check_count

_EFFORT = 25
"""What Pillow calls the quality of a file in which nothing is lost: how long to look for a smaller one, 0 to 100."""


def encode(frames: Frames, result: Result | None, quality: int) -> tuple[bytes, tuple[Message, ...]]:
    """The file's bytes, and what is worth knowing about them. ``quality`` from 1 to 100 (lossy throughout)."""
    file = BytesIO()
    image = Image.frombytes("RGB", (frames.width, frames.height), frames.data)
    image.save(file, "WEBP", quality=quality, **_blocks(result))
    return file.getvalue(), ()


def write_film(frames: Frames, result: Result | None, path: Path, options: FilmOptions) -> None:
    """An animated WebP at ``path``; with the highest quality nothing is lost.

    Its delays are whole milliseconds that keep step with the rate.
    """
    first, *rest = images_of(frames)
    moments = [round(1000 * index / options.fps) for index in range(frames.count + 1)]
    delays = [after - before for before, after in pairwise(moments)]
    with path.open("xb") as file:
        first.save(
            file,
            "WEBP",
            save_all=True,
            append_images=rest,
            duration=delays,
            loop=options.loops,
            quality=options.quality if options.quality < 100 else _EFFORT,
            lossless=options.quality == 100,
            **_blocks(result),
        )
    check_count(path, frames.count)


def _blocks(result: Result | None) -> dict[str, bytes]:
    if result is None:
        return {}
    return {"exif": exif_block(parameters_text(result)), "xmp": xmp_packet(recipe_text(result))}
