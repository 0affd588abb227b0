"""A whole download: what is missing is fetched file by file, then all of it gets its name at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from desktop_app.checkpoints.scan import WEIGHTS
from desktop_app.core.errors import AppError
from desktop_app.core.files import create_file, place_file, place_folder
from desktop_app.core.sizes import size_text
from desktop_app.download.offer import Choice, Offer
from desktop_app.download.present import hub_cache, take_local, whole_choice
from desktop_app.download.transfer import fetch
from desktop_app.download.web import Web
from desktop_app.download.work import Progress, Work, begin

RESERVE = 64 * 1024 * 1024
"""Bytes of the disk that a download leaves free."""
Report = Callable[[Progress], None]


def begin_offer(offer: Offer, choice: Choice, to: Path) -> Work:
    """The work on ``choice`` of ``offer`` in the folder ``to``, also one that was broken off. Nothing is fetched."""
    return begin(to, choice, link=offer.link, title=offer.title, notes=offer.notes)


def download(work: Work, web: Web, report: Report, cache: Path | None = None) -> Path:
    """Bring all of ``work`` and return where it is now. Raises ``AppError``, ``Stopped``.

    After either, what has come so far stays, and another call goes on from there. ``cache`` is that of Hugging Face.
    While it runs, no other process writes the same.
    """
    with work.alone():
        report(replace(work.progress, checking=True))
        placed = whole_choice(work.choice, work.folder.parent, web.check) or _bring(work, web, report, cache)
        work.discard()
    return placed


def _bring(work: Work, web: Web, report: Report, cache: Path | None) -> Path:
    try:
        work.save()
        _take_what_is_here(work, web, cache or hub_cache())
    except OSError as problem:
        raise work.unwritten(problem) from problem
    check_room(work)
    _fetch_all(work, web, report)
    return _place(work)


def check_room(work: Work) -> None:
    """Raises ``AppError`` if the disk has no room for what is missing."""
    missing = sum(max(0, (file.size or 0) - work.have(file.path)) for file in work.choice.files)
    free = shutil.disk_usage(work.folder).free
    if missing and missing + RESERVE > free:
        raise AppError("download.disk", folder=str(work.folder.parent), need=size_text(missing), free=size_text(free))


def _take_what_is_here(work: Work, web: Web, cache: Path) -> None:
    beside = work.folder.parent / work.choice.name if work.choice.folder else work.folder.parent
    for file in work.choice.files:
        if not work.path(file.path).exists() and take_local(file, beside, work.path(file.path), cache, web.check):
            work.part(file.path).unlink(missing_ok=True)


def _fetch_all(work: Work, web: Web, report: Report) -> None:
    have = {file.path: work.have(file.path) for file in work.choice.files}

    def came(path: str, count: int) -> None:
        have[path] = count
        report(Progress(sum(have.values()), work.choice.size))

    for file in work.choice.files:
        if not work.path(file.path).exists():
            fetch(file, work, web, lambda count, path=file.path: came(path, count))


def _place(work: Work) -> Path:
    """Give the finished files their name, which is never one that is taken."""
    to, choice = work.folder.parent, work.choice
    try:
        if choice.folder:
            placed = place_folder(work.files, to / choice.name)
        else:
            placed = place_file(work.path(choice.files[0].path), to / choice.name, keep=True)
    except OSError as problem:
        raise work.unwritten(problem) from problem
    _keep_notes(work, placed)
    return placed


def _keep_notes(work: Work, placed: Path) -> None:
    """What Civitai says of it, beside it, where other programs look for it as well."""
    if work.notes and placed.suffix.lower() in WEIGHTS:
        with suppress(OSError):  # the file is worth more than what is said of it
            create_file(placed.with_suffix(".civitai.info"), json.dumps(dict(work.notes)).encode(), number=False)
