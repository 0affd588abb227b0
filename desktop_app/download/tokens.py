"""Tokens of the two sites: in the keyring of the system, or in a file that only its owner can read.

Environment variables come first, as other programs have it: ``HF_TOKEN`` and ``CIVITAI_TOKEN``.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from desktop_app.core.errors import AppError
from desktop_app.core.files import temporary_name
from desktop_app.core.paths import APP
from desktop_app.download.links import Sites

SITES = {"huggingface": "HF_TOKEN", "civitai": "CIVITAI_TOKEN"}
"""Site: the variable of the environment that may hold its token."""


class Tokens:
    """One token for each site; its text says nothing of them."""

    def __init__(self, file: Path, environment: Mapping[str, str] = os.environ) -> None:
        self._file = file
        self._environment = environment

    def get(self, site: str) -> str:
        """The token of ``site``; "" if there is none."""
        return self._environment.get(SITES[site], "") or _from_keyring(site) or self._read().get(site, "")

    def keep(self, site: str, token: str) -> str:
        """Keep ``token``, or forget it if it is "". Returns where it is now: "keyring", "file", or "" for nowhere.

        Raises ``AppError`` if neither can be written.
        """
        token = token.strip()
        if _to_keyring(site, token):
            self._write({**self._read(), site: ""})
            return "keyring" if token else ""
        self._write({**self._read(), site: token})
        return "file" if token else ""

    def by_origin(self, sites: Sites) -> dict[str, str]:
        """What :class:`desktop_app.download.web.Web` takes."""
        return {getattr(sites, site): self.get(site) for site in SITES}

    def _read(self) -> dict[str, str]:
        try:
            data = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return {site: data[site] for site in SITES if isinstance(data, dict) and isinstance(data.get(site), str)}

    def _write(self, tokens: Mapping[str, str]) -> None:
        """Replace the file; it is never readable for others, not for a moment."""
        tokens = {site: token for site, token in tokens.items() if token}
        if not tokens:
            self._file.unlink(missing_ok=True)
            return
        temporary = temporary_name(self._file.parent)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(tokens, file)
            temporary.replace(self._file)
        except OSError as problem:
            with suppress(OSError):
                temporary.unlink()
            raise AppError(
                "download.folder", folder=str(self._file.parent), reason=problem.strerror or str(problem)
            ) from problem


def _keyring() -> Any:
    """The optional package; None where it is not installed."""
    try:
        return importlib.import_module("keyring")
    except ImportError:
        return None


def _from_keyring(site: str) -> str:
    if (keyring := _keyring()) is None:
        return ""
    try:
        return keyring.get_password(APP, site) or ""
    except keyring.errors.KeyringError:
        return ""


def _to_keyring(site: str, token: str) -> bool:
    """Whether the keyring took it; there may be none that is open."""
    if (keyring := _keyring()) is None:
        return False
    try:
        if token:
            keyring.set_password(APP, site, token)
        elif keyring.get_password(APP, site) is not None:
            keyring.delete_password(APP, site)
    except keyring.errors.KeyringError:
        return False
    return True
