"""One file from a server to the disk: resumed where it broke off, checked, and given its name only when it is whole.

What a part on disk belongs to is known by the file's digest, which is checked in the end; for a file without one by
what the server calls its version (``If-Range``, RFC 9110 § 13.1.5), and a part without either is begun anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import urlsplit

import requests

from desktop_app.checkpoints.safetensors_header import check_safetensors
from desktop_app.core.errors import AppError
from desktop_app.download.beginning import check_beginning, check_type
from desktop_app.download.digests import has_digest
from desktop_app.download.offer import RemoteFile
from desktop_app.download.web import Busy, Web, pieces
from desktop_app.download.work import Work

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
"""``Content-Range``: the first byte, absent with status 416, and the length of the whole."""
Report = Callable[[int], None]


def fetch(file: RemoteFile, work: Work, web: Web, report: Report) -> None:
    """Bring ``file`` to ``work.path(file.path)``. ``report`` is told the bytes that are here, after every piece.

    Raises ``AppError`` and ``Stopped``; what has come stays for the next time unless it is worthless.
    """
    part = work.part(file.path)
    part.parent.mkdir(parents=True, exist_ok=True)
    most = work.have(file.path)

    def advanced() -> bool:
        nonlocal most
        before, most = most, max(most, work.have(file.path))
        return most > before

    try:
        web.patiently(lambda: _receive(file, work, web, report), advanced)
        _check(file, work, web)
        part.replace(work.path(file.path))
    except OSError as problem:
        raise work.unwritten(problem) from problem


def _receive(file: RemoteFile, work: Work, web: Web, report: Report) -> None:
    """Bring what is missing of the part, in one answer of the server."""
    part, have = work.part(file.path), work.have(file.path)
    if have and have == file.size:
        return
    with web.open(file.url, _range(file, work)) as response:
        begin = _first_byte(response, have)
        if begin is None or (begin and _is_another(file, work, response)):
            if have == _total(response, 0):
                return
            part.unlink(missing_ok=True)
            raise Busy(AppError("download.broken", host=urlsplit(file.url).hostname), wait=0)
        check_type(file.path, response.headers.get("Content-Type", ""))
        total = _total(response, begin)
        if file.size is not None and total not in (None, file.size):
            raise AppError("download.size", file=file.path, told=file.size, found=total)
        _remember(file, work, response)
        with part.open("r+b" if part.exists() else "wb") as stream:
            stream.truncate(begin)
            stream.seek(begin)
            _write(response, stream, file, web, report)
            stream.flush()
            os.fsync(stream.fileno())
    if part.stat().st_size < (total or file.size or 0):
        raise Busy(AppError("download.broken", host=urlsplit(file.url).hostname))


def _write(response: requests.Response, stream: BinaryIO, file: RemoteFile, web: Web, report: Report) -> None:
    first = stream.tell() == 0
    for piece in pieces(response):
        if first:
            check_beginning(file.path, response.headers.get("Content-Type", ""), piece)
            first = False
        stream.write(piece)
        if file.size is not None and stream.tell() > file.size:
            raise AppError("download.size", file=file.path, told=file.size, found=stream.tell())
        report(stream.tell())
        web.check()


def _range(file: RemoteFile, work: Work) -> dict[str, str]:
    """Headers that ask for the rest of the part; none where it must be begun anew."""
    have = work.have(file.path)
    if not have:
        return {}
    if file.digest:
        return {"Range": f"bytes={have}-"}
    validator = work.validators.get(file.path)
    return {"Range": f"bytes={have}-", "If-Range": validator} if validator else {}


def _first_byte(response: requests.Response, wanted: int) -> int | None:
    """Offset at which the answer's bytes belong; None if the part is of no use to this server.

    A server that knows no ranges, or has another version by now, answers with all of it (200).
    """
    if response.status_code == 416:
        return None
    if response.status_code != 206:
        return 0
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return wanted if match and match[1] == str(wanted) else None


def _total(response: requests.Response, begin: int) -> int | None:
    """Bytes of the whole file as the server says; None if it does not."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match and match[2] != "*":
        return int(match[2])
    length = response.headers.get("Content-Length", "")
    return begin + int(length) if length.isdecimal() and response.status_code != 416 else None


def _remember(file: RemoteFile, work: Work, response: requests.Response) -> None:
    """Keep what the server calls this version, for a later start of the program."""
    validator = _validator(response)
    if not file.digest and work.validators.get(file.path, "") != validator:
        work.validators[file.path] = validator
        work.save()


def _is_another(file: RemoteFile, work: Work, response: requests.Response) -> bool:
    """Whether the rest that is sent is of another version than the part: some servers pass over ``If-Range``."""
    return not file.digest and _validator(response) not in ("", work.validators.get(file.path))


def _validator(response: requests.Response) -> str:
    """A strong ETag, else the time of the last change, else ""."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _check(file: RemoteFile, work: Work, web: Web) -> None:
    """Raises ``AppError``, and throws the part away, unless it is the file that was promised."""
    part = work.part(file.path)
    if file.digest and not has_digest(part, file.digest, web.check):
        part.unlink()
        raise AppError("download.digest", file=file.path)
    if not file.digest and file.path.lower().endswith((".safetensors", ".sft")):
        try:
            check_safetensors(part)
        except ValueError as problem:
            part.unlink()
            raise AppError("download.damaged", file=file.path, reason=str(problem)) from problem
