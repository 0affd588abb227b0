"""What a link leads to: files with their sizes and digests, what it may be used for, and what of it to choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from desktop_app.core.errors import AppError

PICKLED = (".ckpt", ".pt", ".pth", ".bin")
"""Endings of weights in Python's own format, which may run code when something loads them."""
LONGEST_NAME = 200
"""Bytes; file systems take 255, and an unfinished one has a longer name."""
_FORBIDDEN = set('<>:"\\|?*') | {chr(code) for code in range(32)}
_DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(1, 10))}
"""Names that Windows keeps for itself, with any ending."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file. ``path`` is relative, with "/", below the folder it will be in."""

    path: str
    url: str
    size: int | None = None
    """Bytes; None where nobody says."""
    digest: str = ""
    """"sha256:…" or "git-sha1:…" in lower-case hexadecimal; "" where nobody says."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be downloaded as one: a file, or a folder in the layout of diffusers."""

    name: str
    """Of the file or folder on this machine."""
    files: tuple[RemoteFile, ...]
    folder: bool = False

    def __post_init__(self) -> None:
        """Raises ``AppError`` for names that lead elsewhere: a server says them, so they are not trusted."""
        for name in (self.name, *(file.path for file in self.files)):
            if not is_safe(name):
                raise AppError("download.name", name=name)

    @property
    def size(self) -> int | None:
        """Bytes of all files; None if one of them is not known."""
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(filter(None, sizes))

    @property
    def pickled(self) -> bool:
        """Whether a file may run code when something loads it."""
        return any(file.path.lower().endswith(PICKLED) for file in self.files)

    def same_as(self, other: Choice) -> bool:
        """Whether both bring the same bytes, wherever from; a file without a digest is known by its address."""
        return self.folder == other.folder and _bytes(self) == _bytes(other)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link leads to, before anything of it is downloaded."""

    link: str
    """Leads here again; holds no token."""
    title: str
    choices: tuple[Choice, ...]
    """The first is the one most people want, unless there are only several single files."""
    site: str = ""
    """"huggingface", "civitai", or "" for any other server."""
    page: str = ""
    """Where a person reads about it; "" if there is no such page."""
    licence: str = ""
    gated: bool = False
    """Whether its owner asks people to agree to something first."""
    base_model: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What Civitai says of it, kept beside the file; empty for others."""

    @property
    def preferred(self) -> Choice | None:
        """What to take unless told otherwise, never pickled beside what is not; None where only a person can choose."""
        plain = [choice for choice in self.choices if not choice.pickled] or self.choices
        return plain[0] if plain[0].folder or len(plain) == 1 else None


def choice_to_json(choice: Choice) -> dict[str, Any]:
    return asdict(choice)


def choice_from_json(data: Mapping[str, Any]) -> Choice:
    """Raises ``KeyError`` or ``TypeError`` for what is none, ``AppError`` for names that lead elsewhere."""
    return Choice(data["name"], tuple(RemoteFile(**file) for file in data["files"]), bool(data["folder"]))


def is_safe(path: str) -> bool:
    """Whether ``path`` stays below its folder on every system: no "..", no root, no drive, nothing Windows refuses."""
    return all(part and safe_name(part) == part for part in path.split("/"))


def safe_name(name: str) -> str:
    """The last part of a name that a server gave, with what no system forbids; "" if nothing is left of it."""
    sayable = name.encode("utf-8", "replace").decode()
    last = sayable.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join("_" if character in _FORBIDDEN else character for character in last).strip(" .")
    kept = kept.encode()[-LONGEST_NAME:].decode(errors="ignore")
    return "" if kept.split(".")[0].lower() in _DEVICES else kept.lstrip(" .")


def _bytes(choice: Choice) -> set[tuple[str, int | None, str]]:
    return {(file.path, file.size, file.digest or file.url) for file in choice.files}
