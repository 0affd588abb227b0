"""A version of a model on Civitai, by its public HTTP interface (https://developer.civitai.com)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from desktop_app.core.errors import AppError
from desktop_app.download.links import CivitaiLink
from desktop_app.download.offer import Choice, Offer, RemoteFile, safe_name
from desktop_app.download.web import Web

NOTES = ("id", "modelId", "name", "baseModel", "trainedWords", "description", "model")
"""What of a version's description is kept beside the file."""


def look_up(link: CivitaiLink, web: Web, base: str) -> Offer:
    """What the version offers; without a version, the newest. ``base`` is the address of the site.

    Raises ``AppError``, ``Stopped``.
    """
    version_id, model_id = link.version, link.model
    if version_id is None:
        version_id = _newest(web.json(f"{base}/api/v1/models/{model_id}", f"{base}/models/{model_id}"))
    version = web.json(f"{base}/api/v1/model-versions/{version_id}", f"{base}/model-versions/{version_id}")
    model_id = version.get("modelId") or model_id
    model = web.json(f"{base}/api/v1/models/{model_id}") if model_id else {}
    offered = tuple(_choices(version, base))
    title = " · ".join(filter(None, (_text(model, "name"), _text(version, "name"))))
    if not offered:
        raise AppError("download.nothing", title=title or str(version_id))
    page = f"{base}/models/{model_id}?modelVersionId={version_id}"
    return Offer(
        link=page,
        title=title,
        choices=offered,
        site="civitai",
        page=page,
        licence=_licence(model),
        gated=_text(version, "availability") == "EarlyAccess",
        base_model=_text(version, "baseModel"),
        notes={name: version[name] for name in NOTES if name in version},
    )


def _newest(model: Mapping[str, Any]) -> int:
    versions = [one for one in model.get("modelVersions") or [] if isinstance(one, dict) and one.get("id")]
    if not versions:
        raise AppError("download.nothing", title=_text(model, "name"))
    return versions[0]["id"]


def _choices(version: Mapping[str, Any], base: str) -> list[Choice]:
    """One for each file, that which the site itself prefers first."""
    files = [file for file in version.get("files") or [] if isinstance(file, dict)]
    files.sort(key=lambda file: not file.get("primary"))
    made = []
    for file in files:
        name, url = safe_name(_text(file, "name")), _text(file, "downloadUrl")
        if name and url:
            made.append(Choice(name, (RemoteFile(name, _at(base, url), _size(file), _digest(file)),)))
    return made


def _at(base: str, url: str) -> str:
    """A download address of the site at ``base``, whatever host the answer names, so that the token goes there only."""
    there, parts = urlsplit(base), urlsplit(url)
    if not parts.path.startswith("/api/download/"):
        return url
    return urlunsplit((there.scheme, there.netloc, parts.path, parts.query, ""))


def _size(file: Mapping[str, Any]) -> int | None:
    """Bytes; the site divides them by 1024 without rounding."""
    size = file.get("sizeKB")
    return round(size * 1024) if isinstance(size, int | float) else None


def _digest(file: Mapping[str, Any]) -> str:
    hashes = file.get("hashes")
    digest = _text(hashes, "SHA256") if isinstance(hashes, dict) else ""
    return f"sha256:{digest.lower()}" if digest else ""


def _licence(model: Mapping[str, Any]) -> str:
    """The site's own terms, which are switches and not a text."""
    commercial = model.get("allowCommercialUse")
    if commercial is None:
        return ""
    uses = ", ".join(map(str, commercial)) if isinstance(commercial, list) else str(commercial)
    credit = "" if model.get("allowNoCredit") else "; credit required"
    return f"Civitai (commercial use: {uses or 'None'}{credit})"


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value.strip() if isinstance(value, str) else ""
