"""Weights are told from web pages by the first bytes, before gigabytes of the wrong thing are fetched."""

from __future__ import annotations

from desktop_app.checkpoints.safetensors_header import MAX_HEADER
from desktop_app.core.errors import AppError

_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
_LIKE_PAGES = (".html", ".htm", ".xml", ".svg")
_POINTER = b"version https://git-lfs"
_ENOUGH = 9
"""Bytes that tell a safetensors file from others: eight of a length, and the brace its header begins with."""


def check_type(name: str, content_type: str) -> None:
    """Raises ``AppError`` if the server itself calls the file ``name`` a web page."""
    if content_type.partition(";")[0].strip().lower() == "text/html" and not name.lower().endswith(_LIKE_PAGES):
        raise AppError("download.web-page", file=name)


def check_beginning(name: str, content_type: str, first: bytes) -> None:
    """Raises ``AppError`` if ``first``, the first bytes of the file ``name``, are not what its ending promises."""
    check_type(name, content_type)
    if first.lstrip()[:16].lower().startswith(_PAGES) and not name.lower().endswith(_LIKE_PAGES):
        raise AppError("download.web-page", file=name)
    if first.startswith(_POINTER):
        raise AppError("download.pointer", file=name)
    if not _as_promised(name.lower(), first):
        raise AppError("download.not-weights", file=name)


def _as_promised(name: str, first: bytes) -> bool:
    if name.endswith((".safetensors", ".sft")):
        length = int.from_bytes(first[:8], "little")
        return len(first) >= _ENOUGH and 2 <= length <= MAX_HEADER and first[8:9] == b"{"
    if name.endswith(".gguf"):
        return first.startswith(b"GGUF")
    if name.endswith((".ckpt", ".pt", ".pth", ".bin")):
        return first[:1] not in (b"{", b"[", b"<")
    return True
