"""Opening a file that should hold weights, and saying in words why it does not."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from desktop_app.core.messages import Message

MAX_HEADER = 100 * 1024 * 1024
"""Bytes of a file's description of itself that are read at most, in any format."""
MAX_TENSORS = 100_000
"""Ten times as many as any known model has."""
_LONGEST_NAME = 100

_FORMATS = {
    b"GGUF": "GGUF",
    b"PK\x03\x04": "zip or PyTorch",
    b"\x80": "pickle",
    b"\x1f\x8b": "gzip",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!": "RAR",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"%PDF": "PDF",
    b"\x89HDF": "HDF5",
    b"ustar": "tar",
}
"""First bytes of a file: its format."""


class FileProblem(ValueError):
    """A file cannot be used: :attr:`message` says it in whole sentences, ``str()`` in words that follow its name."""

    def __init__(self, file: Path | str, id: str, /, **values: object) -> None:
        """``file`` is called by its name alone, or as the text says."""
        name = clean(file if isinstance(file, str) else file.name)
        self.message = Message(id, {"file": name, **values})
        super().__init__(self.message.text.removeprefix(name).strip().removesuffix("."))

    def within(self, folder: Path) -> FileProblem:
        """The same of a file that is named with its ``folder``."""
        values = dict(self.message.values)
        return FileProblem(f"{folder.name}/{values.pop('file')}", self.message.id, **values)


@contextmanager
def open_weights(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its size in bytes. Raises :class:`FileProblem` for what is none, is empty or cannot be read.

    A pipe or a device is never opened: reading one may wait for ever.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise FileProblem(path, "file.not-a-file")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not size:
                raise FileProblem(path, "file.empty")
            yield file, size
    except OSError as problem:
        raise unreadable(path, problem) from problem


def unreadable(path: Path, problem: OSError) -> FileProblem:
    """What to say where the system refuses to read."""
    if problem.errno in (errno.ENOENT, errno.ENOTDIR):
        return FileProblem(path, "file.missing")
    if problem.errno in (errno.EACCES, errno.EPERM):
        return FileProblem(path, "file.denied")
    return FileProblem(path, "file.unreadable", reason=problem.strerror or str(problem))


def unknown_file(path: Path, beginning: bytes) -> FileProblem:
    """What to say of a file in none of the known formats that starts with ``beginning``."""
    if beginning.lstrip(b"\xef\xbb\xbf\r\n\t ")[:1] == b"<":
        return FileProblem(path, "file.web-page")
    if beginning.startswith(b"version https://git-lfs"):
        return FileProblem(path, "file.lfs")
    for start, name in _FORMATS.items():
        if beginning.startswith(start):
            return FileProblem(path, "file.format", format=name)
    return FileProblem(path, "file.unknown")


def shown(name: object) -> str:
    """A name out of a file, short and printable enough for a sentence."""
    text = clean(str(name))
    text = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:_LONGEST_NAME])
    return f"{text}…" if len(str(name)) > _LONGEST_NAME else text


def clean(text: str) -> str:
    """``text`` with halves of characters (lone surrogates, which JSON can write) replaced; they cannot be saved."""
    return text.encode("utf-8", "replace").decode("utf-8")
