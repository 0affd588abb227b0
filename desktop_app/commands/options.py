"""Options that pictures and films have in common, and the request they make."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from desktop_app.commands.model_convert import add_trust
from desktop_app.core.catalog import PROMPT_DIALECTS, SCHEDULE_TYPES, SCHEDULERS, ModelFacts
from desktop_app.core.errors import RequestError
from desktop_app.core.memory_plan import WISHES
from desktop_app.core.request import VARY, GenerationRequest, default_request
from desktop_app.core.settings import BY_KEY

_MEMORY = {
    "precision": "number format of the model; by default the one in the settings",
    "offload": "how much of the model is on a graphics card at once; by default as in the settings",
    "decode": "whether the finished picture is decoded at once or in tiles; by default as in the settings",
}


def add_common_arguments(parser: argparse.ArgumentParser, kind: str) -> None:
    """What both commands take; ``kind`` is "picture" or "film". Ranges are checked with the request."""
    devices = [value for value, _ in BY_KEY["device"].choices]
    parser.add_argument("--negative", default="", metavar="TEXT", help=f"what to keep out of the {kind}")
    parser.add_argument("--model", metavar="NAME", help="name, file or folder of a model (see doctor)")
    add_trust(parser)
    parser.add_argument("--seed", type=int, default=-1, metavar="N", help=f"the same seed draws the same {kind}")
    parser.add_argument("--steps", type=int, metavar="N", help="more steps take longer and look finer")
    parser.add_argument("--guidance", type=float, metavar="X", help="how closely to follow the prompt; 1 is not at all")
    parser.add_argument("--size", type=size, metavar="WxH", help="width and height in px, as in 512x768")
    parser.add_argument("--scheduler", metavar="NAME", help=f"one of: {', '.join(SCHEDULERS)}")
    parser.add_argument(
        "--schedule-type", metavar="TYPE", help=f"where the scheduler has it, one of: {', '.join(SCHEDULE_TYPES)}"
    )
    parser.add_argument("--clip-skip", type=int, metavar="N", help="layer of the text encoder from its last one, 1")
    parser.add_argument(
        "--prompt-dialect", metavar="NAME", help=f"how brackets are read, one of: {', '.join(PROMPT_DIALECTS)}"
    )
    parser.add_argument("--vae", metavar="NAME", help="an autoencoder in the model folders instead of the model's own")
    parser.add_argument(
        "--strength",
        type=float,
        metavar="X",
        help="how much of the start picture is drawn anew: 0 keeps it, 1 forgets it",
    )
    parser.add_argument(
        "--enlarge",
        action=argparse.BooleanOptionalAction,
        help=f"draw the finished {kind} larger, where the model can; by default as the model says",
    )
    parser.add_argument("--count", type=int, default=1, metavar="N", help=f"how many {kind}s, from seeds in a row")
    parser.add_argument("--device", choices=devices, help="what computes; by default the one in the settings")
    for wish in WISHES:
        choices = [value for value, _ in BY_KEY[wish].choices]
        parser.add_argument(f"--{wish}", choices=choices, help=_MEMORY[wish])
    parser.add_argument("--json", action="store_true", help=f"print one JSON line per {kind}")
    parser.add_argument("--quiet", action="store_true", help="print nothing but the file names, and errors")


def size(text: str) -> tuple[int, int]:
    """(width, height) out of "512x768". Raises ``argparse.ArgumentTypeError``."""
    width, separator, height = text.lower().replace("×", "x").partition("x")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 512x768")
    try:
        return int(width), int(height)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 512x768") from problem


def requested(options: argparse.Namespace, facts: ModelFacts, kind: str, own: Mapping[str, Any]) -> GenerationRequest:
    """The model's defaults with what was asked laid over them; ``own`` are fields that only this command has.

    An option that was not given is None. Raises ``RequestError``; ranges are left for ``core.request.validate``.
    """
    request = replace(default_request(facts), kind=kind)
    asked: dict[str, Any] = {
        "steps": options.steps,
        "guidance_scale": options.guidance,
        "scheduler": options.scheduler and _scheduler_key(options.scheduler),
        "schedule_type": options.schedule_type,
        "clip_skip": options.clip_skip,
        "prompt_dialect": options.prompt_dialect,
        "vae": options.vae,
        "strength": options.strength,
        **own,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    if options.enlarge is not None:
        asked["enlarge"] = _factor(options.enlarge, facts)
    if options.size:
        asked["width"], asked["height"] = options.size
    scheduler = SCHEDULERS.get(asked.get("scheduler", ""))
    if scheduler and request.schedule_type not in scheduler.schedule_types:
        asked.setdefault("schedule_type", scheduler.schedule_types[0])
    texts = {"prompt": options.prompt, "negative_prompt": options.negative}
    return replace(request, **texts, **asked, seed=options.seed, count=options.count)


def start_fields(file: str | None, use: str = VARY) -> dict[str, str]:
    """The request's fields for a start picture or film; none without one. Raises ``RequestError``."""
    if file is None:
        return {}
    path = Path(file).expanduser().absolute()
    try:
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except FileNotFoundError as problem:
        raise RequestError("start.missing", file=file) from problem
    except OSError as problem:
        raise RequestError("start.unreadable", file=file, reason=problem.strerror or str(problem)) from problem
    return {"start": str(path), "start_digest": digest, "start_use": use}


def _factor(wanted: bool, facts: ModelFacts) -> int:
    if wanted and facts.enlarge == 1:
        raise RequestError("enlarge.none", model=facts.name)
    return facts.enlarge if wanted else 1


def _scheduler_key(name: str) -> str:
    """Key of a scheduler given by key or label, in any case; what is unknown is left for the request to refuse."""
    for key, facts in SCHEDULERS.items():
        if name.lower() in (key, facts.label.lower()):
            return key
    return name
