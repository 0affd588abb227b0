"""Writing without losing: temporary file, fsync, then a name; nothing is ever overwritten by surprise."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def _write_temporary(folder: Path, data: bytes) -> Path:
    """Write ``data`` to a hidden file in ``folder``, flushed to the disk. Raises ``OSError``; leaves nothing behind."""
    path = temporary_name(folder)
    try:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable where the system allows it (POSIX)."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network file systems refuse it; the file itself is already synced
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, replacing what was there in one step; for files of our own. Raises ``OSError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _write_temporary(path.parent, data)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _candidates(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, 100_000):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def temporary_name(folder: Path) -> Path:
    """A hidden name in ``folder`` for what is not finished yet."""
    return folder / f".safelight-{secrets.token_hex(8)}.tmp"


def create_file(path: Path, data: bytes, *, number: bool = True) -> Path:
    """Put ``data`` in a new file at ``path``, or at ``name-2``, ``name-3`` … where that is taken; return the path used.

    With ``number=False`` a taken name raises ``FileExistsError``. Raises ``OSError`` and leaves nothing behind when the
    write fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return place_file(_write_temporary(path.parent, data), path, number=number)


def place_file(
    temporary: Path, path: Path, *, number: bool = True, overwrite: bool = False, keep: bool = False
) -> Path:
    """Give ``temporary``, a finished file in the same folder, the name ``path``, or a free one; return the path used.

    As :func:`create_file`, or with ``overwrite`` in place of what was there. ``temporary`` is gone afterwards, whatever
    happens; with ``keep`` it stays where that fails. The name is reserved exclusively first, because a rename would
    silently overwrite.
    """
    try:
        _sync(temporary)
        if overwrite:
            temporary.replace(path)
            _sync_folder(path.parent)
            return path
        for candidate in _candidates(path):
            try:
                candidate.open("xb").close()
            except FileExistsError:
                if not number:
                    raise
                continue
            try:
                temporary.replace(candidate)
            except BaseException:
                candidate.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)
            return candidate
        raise FileExistsError(path)
    except BaseException:
        if not keep:
            temporary.unlink(missing_ok=True)
        raise


def place_folder(temporary: Path, path: Path, *, number: bool = True) -> Path:
    """Give the finished folder ``temporary`` the name ``path``, or a free one; return the path used.

    With ``number=False`` a taken name raises ``FileExistsError``. Its files are flushed to the disk first.
    """
    for file in temporary.rglob("*"):
        if file.is_file():
            _sync(file)
    for candidate in _candidates(path):
        try:
            candidate.mkdir()
        except FileExistsError:
            if not number:
                raise
            continue
        candidate.rmdir()  # some systems do not rename over even an empty folder
        temporary.rename(candidate)
        _sync_folder(path.parent)
        return candidate
    raise FileExistsError(path)


def _sync(path: Path) -> None:
    """Flush a finished file to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
