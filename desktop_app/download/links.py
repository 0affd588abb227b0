"""What a person may paste: a repository or file of Hugging Face, a model or version of Civitai, or any other link."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from desktop_app.core.errors import RequestError

HUGGING_FACE = "https://huggingface.co"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}
_CIVITAI_HOSTS = {"civitai.com", "www.civitai.com", "civitai.green", "civitai.red"}
_AIR = re.compile(r"urn:air:[^:]*:[^:]*:civitai:(\d+)(?:@(\d+))?")
"""Civitai's names of resources: urn:air:{ecosystem}:{type}:civitai:{model}@{version}."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Base addresses of the two sites, without a slash at the end; a mirror has another."""

    huggingface: str = HUGGING_FACE
    civitai: str = "https://civitai.com"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Sites:
        """With the mirror of Hugging Face that ``HF_ENDPOINT`` names, as other programs read it."""
        return cls(huggingface=environment.get("HF_ENDPOINT", "").rstrip("/") or HUGGING_FACE)


@dataclass(frozen=True, slots=True)
class HubLink:
    """A repository, and what of it: ``path`` is a file or folder inside, "" all of it."""

    repository: str
    revision: str = "main"
    path: str = ""


@dataclass(frozen=True, slots=True)
class CivitaiLink:
    """A version of a model, or the newest where only the model is known."""

    model: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class DirectLink:
    url: str


Link = HubLink | CivitaiLink | DirectLink


def read_link(text: str, sites: Sites) -> Link:
    """What ``text`` means. Raises ``RequestError`` ("download.link") for what is no link and no repository."""
    text = text.strip()
    if match := _AIR.fullmatch(text):
        return CivitaiLink(*(int(number) if number else None for number in match.groups()))
    if _REPOSITORY.fullmatch(text):
        return HubLink(text)
    try:
        url = urlsplit(re.sub(r"^hf://", f"{sites.huggingface}/", text))
    except ValueError as problem:
        raise RequestError("download.link", link=shown(text)) from problem
    if url.scheme not in ("http", "https") or not url.hostname or url.username:
        raise RequestError("download.link", link=shown(text))
    if url.hostname in _HUB_HOSTS or url.netloc == urlsplit(sites.huggingface).netloc:
        return _hub(text, [unquote(part) for part in url.path.split("/") if part])
    if url.hostname in _CIVITAI_HOSTS or url.netloc == urlsplit(sites.civitai).netloc:
        return _civitai(text, url.path, parse_qs(url.query))
    return DirectLink(urlunsplit(url))


def shown(url: str) -> str:
    """``url`` as it may be shown and logged: without a query or a password, which may be secrets."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url.partition("?")[0]
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}" if parts.hostname else url.partition("?")[0]


def _hub(text: str, parts: list[str]) -> HubLink:
    """``owner/name``, then perhaps ``tree``, ``blob`` or ``resolve``, a revision and a path."""
    if len(parts) < 2 or parts[0] in ("datasets", "spaces", "api", "collections", "models"):
        raise RequestError("download.no-model", link=shown(text))
    repository, rest = "/".join(parts[:2]), parts[2:]
    if len(rest) >= 2 and rest[0] in ("tree", "blob", "resolve", "raw"):
        return HubLink(repository, rest[1], "/".join(rest[2:]))
    return HubLink(repository)


def _civitai(text: str, path: str, query: Mapping[str, list[str]]) -> CivitaiLink:
    version = re.search(r"/(?:model-versions|api/download/models|api/v1/model-versions)/(\d+)", path)
    model = re.match(r"/(?:api/v1/)?models/(\d+)", path)
    asked = query.get("modelVersionId", [""])[0]
    if version or (model and asked.isdecimal()):
        return CivitaiLink(int(model[1]) if model else None, int(version[1]) if version else int(asked))
    if model:
        return CivitaiLink(int(model[1]))
    raise RequestError("download.no-model", link=shown(text))
