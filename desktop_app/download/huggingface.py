"""A repository of Hugging Face, by its public HTTP interface (https://huggingface.co/docs/hub/api)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from desktop_app.checkpoints.scan import PIPELINE
from desktop_app.core.errors import AppError
from desktop_app.download.choose import below, choices, components, single_file
from desktop_app.download.links import HubLink
from desktop_app.download.offer import Choice, Offer, RemoteFile
from desktop_app.download.web import Web


def look_up(link: HubLink, web: Web, base: str) -> Offer:
    """What the repository offers. ``base`` is the address of the site. Raises ``AppError``, ``Stopped``.

    The files are those of the commit that the revision means now, so that a download that goes on later gets the same.
    """
    url = f"{base}/api/models/{quote(link.repository)}/revision/{quote(link.revision, safe='')}?blobs=true"
    page = f"{base}/{link.repository}"
    told = _ask(url, page, web)
    commit = told.get("sha") if isinstance(told.get("sha"), str) else link.revision
    files = _files(told, f"{page}/resolve/{quote(str(commit), safe='')}")
    offered = _choices(link, files, web)
    if not offered:
        raise AppError("download.nothing", title=link.repository)
    return Offer(
        link=f"{page}/tree/{quote(link.revision, safe='')}/{quote(link.path)}".rstrip("/"),
        title=link.repository,
        choices=offered,
        site="huggingface",
        page=page,
        licence=_licence(told),
        gated=bool(told.get("gated")),
        base_model=_base_model(told),
    )


def _ask(url: str, page: str, web: Web) -> dict[str, Any]:
    """The answer to ``url``. The site also answers with 401, as if to sign in, what does not exist at all."""
    try:
        return web.json(url, page)
    except AppError as problem:
        if problem.message.id == "download.sign-in":
            raise AppError("download.no-repository", link=page) from problem
        raise


def _files(told: Mapping[str, Any], resolve: str) -> list[RemoteFile]:
    siblings = [entry for entry in told.get("siblings") or [] if isinstance(entry, dict)]
    return [
        RemoteFile(path, f"{resolve}/{quote(path)}", _size(entry), _digest(entry))
        for entry in siblings
        if isinstance(path := entry.get("rfilename"), str)
    ]


def _size(entry: Mapping[str, Any]) -> int | None:
    size = entry.get("size")
    return size if isinstance(size, int) else None


def _digest(entry: Mapping[str, Any]) -> str:
    """SHA-256 of a large file; of a small one, which git itself keeps, git's own SHA-1."""
    large = entry.get("lfs")
    if isinstance(large, dict):
        return f"sha256:{large.get('sha256')}"
    return f"git-sha1:{entry['blobId']}" if entry.get("blobId") else ""


def _choices(link: HubLink, files: Sequence[RemoteFile], web: Web) -> tuple[Choice, ...]:
    name = PurePosixPath(link.path or link.repository).name
    if not link.path:
        return choices(name, files, _parts(files, web))
    for file in files:
        if file.path == link.path:
            return (single_file(file),)
    inside = list(below(files, link.path.rstrip("/")))
    if not inside:
        raise AppError("download.not-found", link=f"{link.repository}/{link.path}")
    return choices(name, inside, _parts(inside, web))


def _parts(files: Sequence[RemoteFile], web: Web) -> set[str]:
    """Folders of the pipeline. A repository that shows its index only to some is judged by its folders."""
    for file in files:
        if file.path == PIPELINE:
            with suppress(AppError):
                return components(web.json(file.url))
            return components({folder: ["", ""] for folder in _folders(files)})
    return set()


def _folders(files: Sequence[RemoteFile]) -> set[str]:
    return {str(PurePosixPath(file.path).parent) for file in files if file.path.count("/") == 1}


def _licence(told: Mapping[str, Any]) -> str:
    card = told.get("cardData")
    named = [card.get("license_name"), card.get("license")] if isinstance(card, dict) else []
    tags = [tag.removeprefix("license:") for tag in told.get("tags") or [] if str(tag).startswith("license:")]
    texts = [text for text in (*named, *tags) if isinstance(text, str) and text not in ("", "other")]
    return texts[0] if texts else ""


def _base_model(told: Mapping[str, Any]) -> str:
    card = told.get("cardData")
    base = card.get("base_model") if isinstance(card, dict) else ""
    first = base[0] if isinstance(base, list) and base else base
    return first if isinstance(first, str) else ""
