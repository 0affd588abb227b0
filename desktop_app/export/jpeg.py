"""JPEG: small, understood everywhere; each block of metadata may be at most 64 KB."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export.metadata import exif_block, parameters_text, recipe_text, shorten, xmp_packet

_MAX_EXIF = 65533
_MAX_XMP = 65533 - len(b"http://ns.adobe.com/xap/1.0/\0")
_MAX_TEXT = (_MAX_EXIF - len(exif_block(""))) // 2


def encode(frames: Frames, result: Result | None, quality: int) -> tuple[bytes, tuple[Message, ...]]:
    """The file's bytes, and what is worth knowing about them. ``quality`` from 1 to 100.

    Colour is kept at full resolution (4:4:4): flat areas keep clean edges.
    """
    blocks, notices = ({}, ()) if result is None else _blocks(result)
    file = BytesIO()
    image = Image.frombytes("RGB", (frames.width, frames.height), frames.data)
    image.save(file, "JPEG", quality=quality, subsampling=0, optimize=True, **blocks)
    return file.getvalue(), notices


def _blocks(result: Result) -> tuple[dict[str, bytes], tuple[Message, ...]]:
    """Exif and XMP, as Pillow's ``save`` names them. A recipe without room is left out rather than falsified."""
    exif = exif_block(parameters_text(result))
    xmp = xmp_packet(recipe_text(result))
    if len(exif) <= _MAX_EXIF and len(xmp) <= _MAX_XMP:
        return {"exif": exif, "xmp": xmp}, ()
    blocks = {"exif": exif_block(shorten(result, _MAX_TEXT))}
    if len(xmp) <= _MAX_XMP:
        blocks["xmp"] = xmp
    return blocks, (Message("save.metadata-short"),)
