"""The recipe inside a picture or film, ours or another program's as far as it can be made here."""

from __future__ import annotations

import contextlib
import json
import math
from functools import partial
from pathlib import Path

from desktop_app.core.request import MAX_SEED, RANDOM_SEED, GenerationRequest
from desktop_app.core.result import Result
from desktop_app.export import comfy, infotext, invoke
from desktop_app.export.metadata import MOVIE_SUFFIXES, RECIPE_KEY, TEXT_KEY, parse_recipe, texts_in
from desktop_app.export.reading import shape_of

_KEYS = (RECIPE_KEY, TEXT_KEY, invoke.KEY, comfy.KEY, comfy.FILM_KEY)
_MOST = 100_000
"""Steps, frames, frames a second and pixels a side; what is beyond was not made."""


def read_recipe(path: Path) -> Result | None:
    """The recipe inside a picture or film; None when there is none that is understood.

    Another program's has no record of a run, and names the program. Reads the file's structure only, never its pixels,
    and never more than a bounded part. Raises ``AppError`` ("read.picture", for MP4 and WebM what starting ffmpeg
    raises), and ``RequestError`` when a recipe of ours is damaged or too new.
    """
    texts = texts_in(path, _KEYS)
    if RECIPE_KEY in texts:
        return parse_recipe(texts[RECIPE_KEY])
    if not texts:
        return None
    movie = path.suffix.lower() in MOVIE_SUFFIXES
    frames, height, width = (None if movie else shape_of(path)) or (1, 512, 512)
    result = _of_others(texts, (width, height), film=movie or frames > 1)
    return result if result and _possible(result.request) else None


def _of_others(texts: dict[str, str], size: tuple[int, int], *, film: bool) -> Result | None:
    """``size``, (width, height) in px, is that of the picture, for those that do not say it."""
    graph = partial(comfy.result_of, film=film)
    for key, read in ((invoke.KEY, invoke.result_of), (comfy.KEY, graph), (comfy.FILM_KEY, graph)):
        with contextlib.suppress(ValueError, TypeError, OverflowError, RecursionError):  # anybody may have written it
            if key in texts and (found := read(json.loads(texts[key]), size)):
                return found
    return infotext.result_of(_repaired(texts[TEXT_KEY]), size) if TEXT_KEY in texts else None


def _possible(request: GenerationRequest) -> bool:
    """Whether its numbers are some that a picture can have been made with."""
    counts = (request.steps, request.width, request.height, request.frames, request.fps)
    seed = RANDOM_SEED <= request.seed <= MAX_SEED
    return seed and all(1 <= count <= _MOST for count in counts) and math.isfinite(request.guidance_scale)


def _repaired(text: str) -> str:
    """``text``, which some programs write as UTF-8 where Latin-1 is read."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
