"""``<lora:name:weight>`` in a prompt: which LoRAs it asks for, and how strongly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TAG = re.compile(r"<(?:lora|lyco):([^<>:]+)((?::[^<>:]*)*)>")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")
_NAMED = {"te": 0, "unet": 1}


@dataclass(frozen=True, slots=True)
class LoraTag:
    """One tag, ``length`` characters at ``start`` in the prompt."""

    name: str
    """Of its file, without the ending."""
    text_weight: float
    """For the text encoders."""
    weight: float
    """For the denoiser."""
    start: int
    length: int
    malformed: str = ""
    """What stands where a number is expected; "" if nothing is wrong."""


def lora_tags(text: str) -> list[LoraTag]:
    """The tags of ``text`` in order.

    ``<lora:name>``, ``<lora:name:0.8>``, ``<lora:name:text:denoiser>``, or with names, ``<lora:name:te=0:unet=1>``.
    The denoiser's weight is the text encoders' where it is not given, and that is 1. What follows is for others.
    """
    return [_tag(match) for match in _TAG.finditer(text)]


def without_tags(text: str) -> str:
    """``text`` as it is drawn."""
    return _TAG.sub("", text)


def blanked(text: str) -> str:
    """``text`` with spaces in the place of tags, so that everything else stays where it is."""
    return _TAG.sub(lambda match: " " * len(match[0]), text)


def with_names(text: str, names: Mapping[str, str]) -> str:
    """``text`` with LoRAs called otherwise: ``names`` has the new by the old."""
    lower = {old.lower(): new for old, new in names.items()}
    for tag in reversed(lora_tags(text)):
        if new := lower.get(tag.name.lower()):
            whole = text[tag.start : tag.start + tag.length].replace(tag.name, new, 1)
            text = text[: tag.start] + whole + text[tag.start + tag.length :]
    return text


def tag_text(name: str, weight: float, text_weight: float | None = None) -> str:
    """The tag for a LoRA; ``text_weight`` is given where the text encoders' differs."""
    weights = f"{weight:g}" if text_weight in (None, weight) else f"{text_weight:g}:{weight:g}"
    return f"<lora:{name}:{weights}>"


def _tag(match: re.Match[str]) -> LoraTag:
    values = [value.strip() for value in match[2].split(":")[1:]]
    given: list[str] = ["", ""]
    for place, value in enumerate(values):
        key, separator, named = value.partition("=")
        if not separator and place < len(given):
            given[place] = value
        elif separator and key in _NAMED:
            given[_NAMED[key]] = named
    malformed = next((value for value in given if value and not _NUMBER.fullmatch(value)), "")
    text, unet = (float(value) if _NUMBER.fullmatch(value) else None for value in given)
    text = 1.0 if text is None else text
    name = match[1].strip()
    return LoraTag(name, text, text if unet is None else unet, match.start(), len(match[0]), malformed)
