"""File names from a template, safe on every system whatever the prompt says."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from pathlib import Path, PurePosixPath
from string import Formatter

from desktop_app.core.errors import AppError
from desktop_app.core.messages import Message
from desktop_app.core.result import Result
from desktop_app.export.metadata import model_name

FIELDS = ("date", "time", "prompt", "seed", "model")
MAX_COMPONENT = 120
"""UTF-8 bytes of one component with its suffix; leaves room for "-2" where systems allow 255."""
MAX_VALUE = 60
"""UTF-8 bytes that one value may take."""
_RESERVED = re.compile(r'[<>:"/\\|?*]')
_UNTIDY = re.compile(r"""[<>:"/\\|?*,;'`()\[\]{}$&!#%~]""")
"""What has no place in a name made from words: reserved characters, punctuation, and what shells act on."""
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?=\s*(\.|$))")
"""Names that Windows keeps for devices, with any suffix."""
_EMPTY = "picture"


def check_template(template: str) -> Message | None:
    """What is wrong with a file-name template, or None. A "/" in it makes folders inside the output folder."""
    reason = _template_problem(template)
    if reason is None:
        return None
    known = ", ".join(f"{{{field}}}" for field in FIELDS)
    return Message("template.malformed", {"value": template, "reason": reason, "known": known})


def _template_problem(template: str) -> str | None:
    if not template.strip():
        return "it is empty"
    parts = template.split("/")
    if template.startswith("/") or ".." in (part.strip() for part in parts):
        return "it leads out of the output folder"
    try:
        pieces = list(Formatter().parse(template))
    except ValueError:
        return "its braces do not match"
    for _, field, spec, conversion in pieces:
        if field is not None and (field not in FIELDS or spec or conversion):
            return f"it names {{{field}}}"
    return None


def picture_path(template: str, result: Result, now: datetime, suffix: str) -> Path:
    """Relative path of a new picture: ``template`` filled in and made safe. Raises ``AppError``."""
    problem = check_template(template)
    if problem is not None:
        raise AppError(problem.id, **problem.values)
    request = result.request
    values = {
        "date": now.strftime("%Y-%m-%d"),
        "time": now.strftime("%H-%M-%S"),
        "prompt": _slug(request.prompt),
        "seed": str(request.seed),
        "model": _slug(model_name(request.model)),
    }
    *folders, name = template.format(**values).split("/")
    parts = [_component(folder, MAX_COMPONENT) for folder in folders if folder.strip()]
    return Path(PurePosixPath(*parts, _component(name, MAX_COMPONENT - len(suffix)) + suffix))


def _slug(text: str) -> str:
    """The first words of ``text``, joined by hyphens."""
    words = _UNTIDY.sub(" ", _printable(text)).split()
    return _cut("-".join(words), MAX_VALUE).strip(".-") or _EMPTY


def _printable(text: str) -> str:
    """NFC without control, formatting (text direction, joiners), surrogate and unassigned characters."""
    text = re.sub(r"\s", " ", text)
    return unicodedata.normalize("NFC", "".join(c for c in text if not unicodedata.category(c).startswith("C")))


def _component(text: str, limit: int) -> str:
    """One component of a path: at most ``limit`` bytes, never empty, hidden, or a name a system keeps for itself."""
    text = _cut(_RESERVED.sub("-", _printable(text)), limit - 1).strip(" .")
    return _DEVICES.sub(r"\1_", text, count=1) if _DEVICES.match(text) else text or _EMPTY


def _cut(text: str, limit: int) -> str:
    """The first ``limit`` bytes of UTF-8, without half a character at the end."""
    return text.encode()[:limit].decode(errors="ignore")
