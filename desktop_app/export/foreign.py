"""Recipes that other programs left in their pictures and films, understood as far as they can be made here."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from desktop_app.core.result import Result
from desktop_app.export import comfy, infotext, invoke
from desktop_app.export.metadata import RECIPE_KEY, TEXT_KEY, parse_recipe, texts_in

_KEYS = (RECIPE_KEY, TEXT_KEY, invoke.KEY, comfy.KEY)


def read_any_recipe(path: Path) -> Result | None:
    """The recipe inside a picture or film, ours or another program's; None when there is none that is understood.

    Another program's has no record of a run, and names the program. Raises as
    :func:`desktop_app.export.metadata.read_recipe` does.
    """
    texts = texts_in(path, _KEYS)  # which anybody may have written
    if RECIPE_KEY in texts:
        return parse_recipe(texts[RECIPE_KEY])
    for key, read in ((invoke.KEY, invoke.result_of), (comfy.KEY, comfy.result_of)):
        if key in texts:
            with contextlib.suppress(ValueError, TypeError, OverflowError, RecursionError):
                if found := read(json.loads(texts[key])):
                    return found
    return infotext.result_of(_repaired(texts[TEXT_KEY])) if TEXT_KEY in texts else None


def _repaired(text: str) -> str:
    """``text``, which some programs write as UTF-8 where Latin-1 is read."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
