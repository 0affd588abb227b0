"""Digests of files as sites name them: SHA-256, and git's SHA-1 of small files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

PIECE = 4 * 1024 * 1024


def has_digest(path: Path, digest: str, check: Callable[[], None] = lambda: None) -> bool:
    """Whether the file has ``digest`` ("sha256:…" or "git-sha1:…"). ``check`` is called between pieces and may raise.

    Git hashes ``b"blob <length>\\0"`` and then the bytes. Raises ``OSError``.
    """
    kind, _, wanted = digest.partition(":")
    if kind == "git-sha1":
        made = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    else:
        made = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            check()
            made.update(piece)
    return made.hexdigest() == wanted
