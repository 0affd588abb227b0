"""What a link leads to, whichever site it is."""

from __future__ import annotations

from pathlib import PurePosixPath

from desktop_app.core.errors import RequestError
from desktop_app.download import civitai, direct, huggingface
from desktop_app.download.links import CivitaiLink, DirectLink, HubLink, Sites, read_link
from desktop_app.download.offer import Choice, Offer
from desktop_app.download.web import Web


def look_up(text: str, web: Web, sites: Sites) -> Offer:
    """What ``text`` (a repository or a link) leads to; asks the server. Raises ``AppError``, ``Stopped``."""
    match read_link(text, sites):
        case HubLink() as link:
            return huggingface.look_up(link, web, sites.huggingface)
        case CivitaiLink() as link:
            return civitai.look_up(link, web, sites.civitai)
        case DirectLink() as link:
            return direct.look_up(link, web)


def named_choice(offer: Offer, name: str) -> Choice:
    """The choice called ``name``, or the preferred one for "". Raises ``RequestError`` with the names there are."""
    last = PurePosixPath(name).name
    wanted = next((choice for choice in offer.choices if choice.name == last), None) if name else offer.preferred
    if wanted is not None:
        return wanted
    known = ", ".join(choice.name for choice in offer.choices)
    if name:
        raise RequestError("download.no-file", title=offer.title, name=name, known=known)
    raise RequestError("download.which", title=offer.title, known=known)
