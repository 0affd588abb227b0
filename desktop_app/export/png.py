"""PNG: every pixel as it is, and room for the whole recipe."""

from __future__ import annotations

from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from desktop_app.core.frames import Frames
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export.metadata import RECIPE_KEY, TEXT_KEY, parameters_text, recipe_text


def encode(frames: Frames, result: Result | None, quality: int) -> tuple[bytes, tuple[Message, ...]]:
    """The file's bytes, and what is worth knowing about them. ``quality`` has no meaning here: PNG is lossless."""
    info = PngInfo()
    if result is not None:
        info.add_text(TEXT_KEY, parameters_text(result))  # tEXt where Latin-1 is enough: older readers know only that
        info.add_itxt(RECIPE_KEY, recipe_text(result))
    file = BytesIO()
    Image.frombytes("RGB", (frames.width, frames.height), frames.data).save(file, "PNG", pnginfo=info)
    return file.getvalue(), ()
