"""Find the text that travels inside PNG, JPEG, WebP and GIF files by walking their structure; pixels are skipped.

Bounded against hostile files: a fixed number of steps, and no packet above :data:`MAX_PACKET` bytes, packed or not.
"""

from __future__ import annotations

import stat
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

MAX_PACKET = 16 * 1024 * 1024
_MAX_PIECES = 200_000
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXIF_HEADER = b"Exif\0\0"
_JPEG_ALONE = {0x01, *range(0xD0, 0xD8)}
"""JPEG markers without a length."""


@dataclass(frozen=True, slots=True)
class Packets:
    """What was found: texts of a PNG or GIF by their keys, and whole blocks of XMP and Exif."""

    texts: dict[str, str] = field(default_factory=dict)
    xmp: bytes = b""
    exif: bytes = b""
    """From its byte order on, without "Exif\\0\\0"."""


def find_packets(path: Path, keys: Sequence[str]) -> Packets:
    """Texts stored under ``keys`` in a PNG or GIF, of each the first; the XMP packet and the Exif block.

    With a text under the first of ``keys`` the search is over.

    Raises ``OSError``, or ``ValueError`` in plain words.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        start = file.read(12)
        for signature, offset, walk in _WALKS:
            if start[offset:].startswith(signature):
                return walk(file, keys)
    raise ValueError("it is not a PNG, JPEG, WebP or GIF file")


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it is cut off")
    return data


def _walk_png(file: BinaryIO, keys: Sequence[str]) -> Packets:
    """PNG, third edition (W3C), 5.3: length, type, data, checksum."""
    file.seek(8)
    found = Packets()
    for _ in range(_MAX_PIECES):
        head = file.read(8)
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or kind == b"IEND":
            break
        if kind in (b"tEXt", b"zTXt", b"iTXt") and size <= MAX_PACKET:
            name, _, rest = _exactly(file, size).partition(b"\0")
            if (key := name.decode("latin-1")) in keys:
                with nullcontext() if key == keys[0] else suppress(ValueError):  # the others may be anybody's
                    found.texts.setdefault(key, _png_text(kind, rest))
                if key == keys[0]:
                    break
            elif name == b"XML:com.adobe.xmp" and kind == b"iTXt":
                found = replace(found, xmp=_png_text(kind, rest).encode())
            size = 0
        elif kind == b"eXIf" and size <= MAX_PACKET:
            found, size = replace(found, exif=file.read(size)), 0
        file.seek(size + 4, 1)
    return found


def _png_text(kind: bytes, rest: bytes) -> str:
    """Text of a chunk from behind its key (PNG 11.3.3)."""
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        return _inflate(rest[1:]).decode("latin-1")
    packed, rest = rest[:1] == b"\1", rest[2:]
    data = rest.split(b"\0", 2)[-1]  # behind the language and the translated key
    return (_inflate(data) if packed else data).decode("utf-8", "replace")


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(data, MAX_PACKET)
    except zlib.error as problem:
        raise ValueError("its text is damaged") from problem
    if stream.unconsumed_tail:
        raise ValueError("its text is too long")
    return unpacked


def _walk_jpeg(file: BinaryIO, keys: Sequence[str]) -> Packets:
    """JPEG (ITU T.81, B.1.1): markers with a length, up to the first scan. XMP is an APP1 (XMP part 3, 1.1.3)."""
    found = Packets()
    file.seek(2)
    for _ in range(_MAX_PIECES):
        marker = _exactly(file, 2)
        if marker[0] != 0xFF:
            raise ValueError("its structure is damaged")
        if marker[1] == 0xFF:  # a fill byte
            file.seek(-1, 1)
        elif marker[1] in (0xDA, 0xD9):
            break
        elif marker[1] not in _JPEG_ALONE:
            size = int.from_bytes(_exactly(file, 2), "big") - 2
            if size < 0:
                raise ValueError("its structure is damaged")
            if marker[1] == 0xE1:
                segment = _exactly(file, size)
                if segment.startswith(_JPEG_XMP) and not found.xmp:
                    found = replace(found, xmp=segment[len(_JPEG_XMP) :])
                elif segment.startswith(EXIF_HEADER) and not found.exif:
                    found = replace(found, exif=segment[len(EXIF_HEADER) :])
            else:
                file.seek(size, 1)
    return found


def _walk_webp(file: BinaryIO, keys: Sequence[str]) -> Packets:
    """WebP (RFC 9649, 2.3): RIFF chunks of a type, a little-endian size and data padded to an even length."""
    found = Packets()
    file.seek(12)
    for _ in range(_MAX_PIECES):
        head = file.read(8)
        if len(head) < 8:
            break
        size = int.from_bytes(head[4:], "little")
        pad = size % 2
        if head[:4] in (b"XMP ", b"EXIF") and size <= MAX_PACKET:
            data, size = _exactly(file, size), 0
            found = (
                replace(found, xmp=data) if head[:4] == b"XMP " else replace(found, exif=data.removeprefix(EXIF_HEADER))
            )
        file.seek(size + pad, 1)
    return found


def _walk_gif(file: BinaryIO, keys: Sequence[str]) -> Packets:
    """GIF89a, appendix A: blocks behind the screen's colour table. A comment of ours begins with its key and a line."""
    found = Packets()
    file.seek(10)
    _skip_table(file, _exactly(file, 3)[0])
    for _ in range(_MAX_PIECES):
        kind = file.read(1)
        if kind == b"\x21":
            label = _exactly(file, 1)
            text = _sub_blocks(file, keep=label == b"\xfe")
            name, _, rest = text.partition(b"\n")
            if (key := name.decode("latin-1")) in keys:
                found.texts.setdefault(key, rest.decode("utf-8", "replace"))
                if key == keys[0]:
                    break
        elif kind == b"\x2c":
            _skip_table(file, _exactly(file, 9)[8])
            file.seek(1, 1)
            _sub_blocks(file, keep=False)
        else:
            break
    return found


def _skip_table(file: BinaryIO, packed: int) -> None:
    """Skip the colour table that the field ``packed`` announces."""
    if packed & 0x80:
        file.seek(3 * 2 ** ((packed & 7) + 1), 1)


def _sub_blocks(file: BinaryIO, *, keep: bool) -> bytes:
    """The data of a row of sub-blocks, or nothing of it, up to and with their end."""
    kept = bytearray()
    while size := _exactly(file, 1)[0]:
        if not keep:
            file.seek(size, 1)
        elif len(kept) <= MAX_PACKET:
            kept += _exactly(file, size)
        else:
            raise ValueError("its text is too long")
    return bytes(kept)


_WALKS: tuple[tuple[bytes, int, Callable[[BinaryIO, Sequence[str]], Packets]], ...] = (
    # signature, where it stands, the walk
    (b"\x89PNG\r\n\x1a\n", 0, _walk_png),
    (b"\xff\xd8\xff", 0, _walk_jpeg),
    (b"WEBP", 8, _walk_webp),
    (b"GIF8", 0, _walk_gif),
)
