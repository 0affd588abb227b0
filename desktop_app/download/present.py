"""What is on this machine already and need not be fetched: in the chosen folder, and in the cache of Hugging Face.

The cache keeps a file under its digest (``models--owner--name/blobs/<digest>``), whatever the file is called.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from desktop_app.download.digests import has_digest
from desktop_app.download.offer import Choice, RemoteFile

Check = Callable[[], None]


def hub_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The cache that huggingface_hub uses, by the same variables."""
    if cache := environment.get("HF_HUB_CACHE"):
        return Path(cache).expanduser()
    caches = Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return Path(environment.get("HF_HOME") or caches / "huggingface").expanduser() / "hub"


def whole_choice(choice: Choice, folder: Path, check: Check) -> Path | None:
    """Where in ``folder`` all of ``choice`` is already; None if it is not. Hashes what has the right size.

    A single file is found under any name. Raises what ``check`` raises.
    """
    if choice.folder:
        whole = folder / choice.name
        return whole if all(_is(whole / file.path, file, check) for file in choice.files) else None
    (file,) = choice.files
    candidates = [folder / choice.name]
    if file.digest and file.size:
        candidates += _alike(folder, Path(choice.name).suffix.lower())
    return next((path for path in candidates if _is(path, file, check)), None)


def take_local(file: RemoteFile, folder: Path, target: Path, cache: Path, check: Check) -> bool:
    """Bring ``file`` to ``target`` from ``folder`` or the cache, if it is there. Raises ``OSError`` of the writing."""
    for found in (folder / file.path, *_cached(file, cache)):
        if _is(found, file, check):
            _link_or_copy(found, target)
            return True
    return False


def _alike(folder: Path, suffix: str) -> Iterator[Path]:
    with suppress(OSError):
        yield from (path for path in sorted(folder.iterdir()) if path.suffix.lower() == suffix)


def _cached(file: RemoteFile, cache: Path) -> Iterator[Path]:
    name = file.digest.partition(":")[2]
    if name.isalnum():
        with suppress(OSError):
            yield from cache.glob(f"models--*/blobs/{name}")


def _is(path: Path, file: RemoteFile, check: Check) -> bool:
    """Whether ``path`` is ``file``: by size and digest, or by size and name where nobody says a digest."""
    try:
        if not path.is_file() or path.stat().st_size != file.size:
            return False
        return has_digest(path, file.digest, check) if file.digest else True
    except OSError:
        return False


def _link_or_copy(found: Path, target: Path) -> None:
    """A second name for the same bytes where the disk can, which costs no room; else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = found.resolve()  # the cache's own entries are links
    if os.access(whole, os.W_OK):
        with suppress(OSError):
            os.link(whole, target)
            return
    shutil.copyfile(whole, target)
