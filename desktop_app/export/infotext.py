"""Infotext, in which AUTOMATIC1111's web interface, Forge, SD.Next and Civitai say how a picture was made.

Prompt, "Negative prompt: …", and a last line of "key: value" pairs (A1111's wiki, "Features"); written anew from that
grammar. Civitai puts JSON between the pairs, which their commas would tear apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from desktop_app.core.catalog import A1111, FILM, PICTURE
from desktop_app.core.request import FPS, FRAMES, PROMPT_SYNTAX, RANDOM_SEED, GenerationRequest
from desktop_app.core.result import Result
from desktop_app.export.samplers import from_label

_NEGATIVE = "Negative prompt:"
_PAIR = re.compile(r'\s*(\w[\w \-/]{0,63}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_JSON_VALUE = re.compile(r",?\s*\b(\w[\w \-/]{0,63}):\s*(?=[\[{])")
_TEMPLATES = ("Template:", "Negative Template:")
"""Lines that sd-dynamic-prompts writes behind the pairs."""
_WEIGHTS = (".safetensors", ".ckpt", ".pt")
_LEAST_PAIRS = 3
"""A last line with fewer belongs to the prompt."""
_LONGEST = 100_000
"""Characters; what is longer was not written by a person."""


@dataclass(frozen=True, slots=True)
class Infotext:
    """What it says, not yet understood."""

    prompt: str
    negative_prompt: str
    pairs: Mapping[str, str]


def parse(text: str) -> Infotext | None:
    """Take infotext apart; None for a text that has no line of pairs."""
    lines = text[:_LONGEST].replace("\r\n", "\n").strip().split("\n")
    ends = [number for number, line in enumerate(lines) if number and line.startswith(_TEMPLATES)]
    for end in (len(lines), *ends):
        *head, last = lines[:end]
        pairs = _pairs(last)
        if len(pairs) >= _LEAST_PAIRS and "Steps" in pairs:
            break
    else:
        return None
    start = next((k for k, line in enumerate(head) if line.startswith(_NEGATIVE)), len(head))
    prompt, negative = "\n".join(head[:start]), "\n".join(head[start:])
    return Infotext(prompt.strip(), negative.removeprefix(_NEGATIVE).strip(), pairs)


def result_of(text: str, size: tuple[int, int]) -> Result | None:
    """The recipe that infotext tells; None when it is none, or its numbers are none.

    ``size``, (width, height) in px, counts where it says none.
    """
    found = parse(text)
    if found is None:
        return None
    try:
        request = _request(found, size)
    except (ValueError, OverflowError):
        return None
    return Result(request=request, run=None, seconds=0.0, steps_done=request.steps, program=_program(found.pairs))


def _request(found: Infotext, size: tuple[int, int]) -> GenerationRequest:
    """Raises ``ValueError`` or ``OverflowError``."""
    pairs = found.pairs
    width, height = map(int, pairs["Size"].split("x")) if "Size" in pairs else size
    scheduler, schedule_type = from_label(pairs.get("Sampler", ""), pairs.get("Schedule type", ""))
    film = "Frames" in pairs
    return GenerationRequest(
        model=_name(pairs.get("Model", "")),
        prompt=found.prompt,
        negative_prompt=found.negative_prompt,
        width=width,
        height=height,
        steps=int(pairs["Steps"]),
        guidance_scale=float(pairs.get("CFG scale", "7")),
        scheduler=scheduler,
        schedule_type=schedule_type,
        clip_skip=int(pairs.get("Clip skip", "1")),
        vae=_name(pairs.get("VAE", "")),
        seed=int(pairs.get("Seed", RANDOM_SEED)),
        kind=FILM if film else PICTURE,
        frames=int(pairs.get("Frames", FRAMES)),
        fps=int(float(pairs.get("FPS", FPS))),
        prompt_syntax=PROMPT_SYNTAX,
        prompt_dialect=A1111,
    )


def _program(pairs: Mapping[str, str]) -> str:
    version = pairs.get("Version", "")
    if "App" in pairs:
        return f"{pairs['App']} {version}".strip()
    if "Civitai resources" in pairs:
        return "Civitai"
    if not version or re.fullmatch(r"v?\d[\w.\-]*", version):
        return f"Automatic1111 {version}".strip()
    return f"Forge {version}" if re.match(r"f\d", version) else version


def _pairs(line: str) -> dict[str, str]:
    """The pairs of a line; of those whose value is JSON, the key alone."""
    kept: list[str] = []
    pairs: dict[str, str] = {}
    place = 0
    while found := _JSON_VALUE.search(line, place):
        try:
            _, end = json.JSONDecoder().raw_decode(line, found.end())
        except (ValueError, RecursionError):
            kept.append(line[place : found.end()])
            place = found.end()
        else:
            pairs[found[1]] = ""
            kept.append(line[place : found.start()])
            place = end
    text = "".join([*kept, line[place:]])
    return pairs | {key: _unquoted(value) for key, value in _PAIR.findall(text)}


def _name(file: str) -> str:
    """Of a model, without the ending that some programs write."""
    return next((file.removesuffix(end) for end in _WEIGHTS if file.endswith(end)), file)


def _unquoted(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value
