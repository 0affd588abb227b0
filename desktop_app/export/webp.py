"""WebP: smaller than JPEG at the same quality."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export.metadata import exif_block, parameters_text, recipe_text, xmp_packet


def encode(frames: Frames, result: Result | None, quality: int) -> tuple[bytes, tuple[Message, ...]]:
    """The file's bytes, and what is worth knowing about them. ``quality`` from 1 to 100 (lossy throughout)."""
    blocks = {}
    if result is not None:
        blocks = {"exif": exif_block(parameters_text(result)), "xmp": xmp_packet(recipe_text(result))}
    file = BytesIO()
    image = Image.frombytes("RGB", (frames.width, frames.height), frames.data)
    image.save(file, "WEBP", quality=quality, **blocks)
    return file.getvalue(), ()
