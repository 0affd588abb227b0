"""Any other link: one file, of which only the server's answer is known."""

from __future__ import annotations

import re
from email.message import Message as Headers
from urllib.parse import unquote, urlsplit

import requests

from desktop_app.core.errors import AppError
from desktop_app.download.beginning import check_beginning
from desktop_app.download.links import DirectLink, shown
from desktop_app.download.offer import Choice, Offer, RemoteFile, safe_name
from desktop_app.download.web import Web, pieces


def look_up(link: DirectLink, web: Web) -> Offer:
    """The file behind the link, of which the first bytes are looked at. Raises ``AppError``, ``Stopped``."""
    return web.patiently(lambda: _ask(link.url, web))


def _ask(url: str, web: Web) -> Offer:
    with web.open(url) as response:
        name = _name(response, url)
        if not name:
            raise AppError("download.name", name=shown(url))
        first = next(pieces(response))
        check_beginning(name, response.headers.get("Content-Type", ""), first)
        size = response.headers.get("Content-Length", "")
        file = RemoteFile(name, url, int(size) if size.isdecimal() else None)
    return Offer(link=url, title=name, choices=(Choice(name, (file,)),), page="")


def _name(response: requests.Response, url: str) -> str:
    """From ``Content-Disposition`` (RFC 6266), else the address that was asked, else the one that answered."""
    header = Headers()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    told = header.get_filename() or ""
    paths = [unquote(urlsplit(address).path) for address in (url, response.url)]
    names = [safe_name(name) for name in (told, *paths)]
    return next((name for name in names if re.search(r".\.\w+$", name)), names[0] or names[1])
