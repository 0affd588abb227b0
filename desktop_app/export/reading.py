"""Pictures and films read as frames: what a start picture, an extended film and the player need."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from desktop_app.core.errors import AppError
from desktop_app.core.frames import Frames
from desktop_app.export.ffmpeg import find_ffmpeg

MOST_BYTES = 2**30
"""Of the pixels of one film: what is taken into memory."""
FILM_SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
"""What ffmpeg reads; everything else is Pillow's."""
_TOO_LONG = "it is too long to be read at once"


def read_frames(path: Path, *, most: int | None = None, last: bool = False) -> tuple[Frames, float | None]:
    """(frames, frames per second) of a picture or film file; a picture has one frame and no rate.

    At most ``most`` frames: the first ones, or the ``last``. A picture is turned as its Exif says, and what is
    transparent becomes white. The rate of a GIF or animated WebP is the mean of its delays. Raises ``AppError``
    ("start.missing", "start.unreadable", or as :mod:`desktop_app.export.ffmpeg` does).
    """
    with _told(path):
        return _by_ffmpeg(path, most, last) if path.suffix.lower() in FILM_SUFFIXES else _by_pillow(path, most, last)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What goes wrong while reading ``path``, as an ``AppError``."""
    if not path.exists():
        raise AppError("start.missing", file=path.name)
    try:
        yield
    except (Image.DecompressionBombError, UnidentifiedImageError) as problem:
        reason = "it is too large" if isinstance(problem, Image.DecompressionBombError) else "its kind is not known"
        raise AppError("start.unreadable", file=path.name, reason=reason) from problem
    except (OSError, ValueError, SyntaxError, EOFError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem).strip(" .") or type(problem).__name__
        raise AppError("start.unreadable", file=path.name, reason=reason) from problem


def first_of_film(path: Path) -> tuple[Frames, float]:
    """(first frame, length in seconds) of a film that ffmpeg reads. Raises as :func:`read_frames`."""
    with _told(path), _opened(path) as (facts, stream):
        pixels = next(stream, None)
        if pixels is None:
            raise ValueError("it holds no frames")
        width, height = facts["size"]
        return Frames(1, height, width, pixels), float(facts["duration"])


def count_frames(path: Path, suffix: str = "") -> int:
    """Frames of a film, without keeping them; ``suffix`` says what it is where its own does not. 0: not readable."""
    try:
        if (suffix or path.suffix.lower()) not in FILM_SUFFIXES:
            with Image.open(path) as image:
                return int(getattr(image, "n_frames", 1))
        from imageio_ffmpeg import count_frames_and_secs

        return int(count_frames_and_secs(str(path))[0] or 0)
    except (OSError, RuntimeError, SyntaxError, ValueError):
        return 0


def shape_of(path: Path) -> tuple[int, int, int] | None:
    """(frames, height, width) of a picture or animated one; None for what Pillow cannot open. No pixel is decoded."""
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1), image.height, image.width
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def fitted(frames: Frames, width: int, height: int) -> Frames:
    """``frames`` scaled to cover ``width`` × ``height`` px and cropped in the middle; as they are where they fit."""
    if (frames.width, frames.height) == (width, height):
        return frames
    pictures = (ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS) for image in images_of(frames))
    return Frames(frames.count, height, width, b"".join(picture.tobytes() for picture in pictures))


def images_of(frames: Frames) -> Iterator[Image.Image]:
    """Each frame as a Pillow image."""
    size = frames.height * frames.width * 3
    for index in range(frames.count):
        yield Image.frombytes("RGB", (frames.width, frames.height), frames.data[index * size : (index + 1) * size])


def _by_pillow(path: Path, most: int | None, last: bool) -> tuple[Frames, float | None]:
    with Image.open(path) as image:
        count = getattr(image, "n_frames", 1)
        if not getattr(image, "is_animated", False) or count == 1:
            picture = _opaque(ImageOps.exif_transpose(image))
            return Frames(1, picture.height, picture.width, picture.tobytes()), None
        chosen = _chosen(count, most, last)
        _check(len(chosen) * image.width * image.height * 3)
        pixels, delays = [], []
        for index, frame in enumerate(ImageSequence.Iterator(image)):
            frame.load()  # WebP knows the delay only then
            delays.append(frame.info.get("duration", 0))
            if index in chosen:
                pixels.append(_opaque(frame).tobytes())
            if most is not None and len(pixels) == len(chosen) and len(delays) > 1:
                break
        rate = 1000 / max(1, sum(delays) / len(delays))
        return Frames(len(pixels), image.height, image.width, b"".join(pixels)), rate


def _opaque(image: Image.Image) -> Image.Image:
    """``image`` in RGB, over white where it is transparent."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    ground = Image.new("RGB", image.size, (255, 255, 255))
    ground.paste(layer, mask=layer.getchannel("A"))
    return ground


def _chosen(count: int, most: int | None, last: bool) -> range:
    wanted = count if most is None else min(most, count)
    return range(count - wanted, count) if last else range(wanted)


def _by_ffmpeg(path: Path, most: int | None, last: bool) -> tuple[Frames, float | None]:
    with _opened(path) as (facts, stream):
        pixels = _collect(stream, most, last)
    if not pixels:
        raise ValueError("it holds no frames")
    width, height = facts["size"]
    return Frames(len(pixels), height, width, b"".join(pixels)), float(facts["fps"]) or 1.0


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Iterator[bytes]]]:
    """(facts of the film, its frames as RGB bytes), from a process that ends with the block."""
    from imageio_ffmpeg import read_frames as read_film

    find_ffmpeg()  # its absence has a sentence of its own
    stream = read_film(str(path))
    try:
        yield next(stream), stream
    except RuntimeError as problem:  # ffmpeg understands nothing of this file
        raise ValueError(str(problem).partition("\n")[0].strip(" .:")) from problem
    finally:
        stream.close()


def _collect(stream: Iterator[bytes], most: int | None, last: bool) -> list[bytes]:
    """The first or ``last`` frames of a stream, never more than fit into memory."""
    kept: deque[bytes] = deque(maxlen=most if last else None)
    for pixels in stream:
        kept.append(pixels)
        _check(len(kept) * len(pixels))
        if not last and most is not None and len(kept) >= most:
            break
    return list(kept)


def _check(size: int) -> None:
    if size > MOST_BYTES:
        raise ValueError(_TOO_LONG)
