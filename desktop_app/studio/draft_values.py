"""What the fields of a draft may hold: their names, their limits, and the nearest value that a model takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from desktop_app.core.catalog import A1111, FILM, PICTURE, PROMPT_DIALECTS, SCHEDULERS, ModelFacts
from desktop_app.core.request import (
    EXTEND,
    FRAMES,
    MAX_COUNT,
    MAX_FPS,
    MAX_GUIDANCE,
    MAX_MOTION_BUCKET,
    MAX_SEED,
    MAX_STEPS,
    VARY,
    GenerationRequest,
    clean_text,
)

FIELDS = (
    "prompt",
    "negative_prompt",
    "prompt_dialect",
    "model",
    "kind",
    "width",
    "height",
    "steps",
    "guidance_scale",
    "scheduler",
    "schedule_type",
    "clip_skip",
    "vae",
    "refiner",
    "refiner_at",
    "seed",
    "seed_locked",
    "count",
    "enlarge",
    "frames",
    "fps",
    "loop",
    "motion_model",
    "motion_bucket",
    "noise_augmentation",
    "start",
    "start_digest",
    "start_use",
    "strength",
)
"""In an order in which they can be set one after another: each must fit those before it."""
RECALLS: dict[str, tuple[str, ...]] = {
    "all": FIELDS,
    "prompt": ("prompt", "negative_prompt", "prompt_dialect"),
    "seed": ("seed", "seed_locked"),
    "remix": tuple(field for field in FIELDS if field not in ("seed", "seed_locked", "count")),
}
OF_THE_MODEL = (
    *("width", "height", "steps", "guidance_scale", "scheduler", "schedule_type", "enlarge"),
    *("frames", "fps", "motion_model", "strength"),
)
"""They become the model's own when another one is chosen."""
START_FIELDS = ("start", "start_digest", "start_use")
_SAME_SHAPE = 0.02
"""Two proportions that differ by less are the same to the eye."""

Values = Mapping[str, Any]
Fit = Callable[[str, Any, Values, ModelFacts | None], Any]


def first_values() -> dict[str, Any]:
    """All fields before any model is known."""
    plain = GenerationRequest(model="", width=0, height=0, steps=1, guidance_scale=1.0, scheduler="", schedule_type="")
    values = {name: getattr(plain, name) for name in FIELDS if name not in ("seed", "seed_locked")}
    return {**values, "seed": 0, "seed_locked": False, "prompt_dialect": A1111}


def limits(name: str, values: Values, facts: ModelFacts | None) -> tuple[float, float]:
    """Lowest and highest value of a number field. ``KeyError`` for any other."""
    if name in ("width", "height"):
        return (facts.min_size, facts.max_size) if facts else (0, 0)
    if name == "steps":
        scheduler = SCHEDULERS.get(values["scheduler"])
        return (1, min(MAX_STEPS, scheduler.max_steps) if scheduler else MAX_STEPS)
    if name == "frames":
        return (2, facts.film.max_frames if facts and facts.film else FRAMES)
    if name == "clip_skip":
        return (1, facts.max_clip_skip if facts else 1)
    return _LIMITS[name]


def fit(name: str, value: Any, values: Values, facts: ModelFacts | None) -> Any:
    """The nearest value of the right type that the model takes. Raises ``TypeError`` or ``ValueError``."""
    return _FIT.get(name, _as_text)(name, value, values, facts)


def shape_like(proportion: float, values: Values, facts: ModelFacts) -> tuple[int, int] | None:
    """The (width, height) in px that is nearest to ``proportion`` (width / height) and as large as the model likes.

    One of the model's own sizes where one has that shape. None when the size that is set comes as near already.
    """
    presets = [size for size in facts.sizes if _apart(size, proportion) < _SAME_SHAPE]
    width, height = facts.default_size
    side = math.sqrt(width * height)
    scaled = facts.nearest_size(side * math.sqrt(proportion), side / math.sqrt(proportion))
    best = presets[0] if presets else scaled
    now = (values["width"], values["height"])
    return best if _apart(now, proportion) > _apart(best, proportion) + _SAME_SHAPE else None


def _apart(size: tuple[int, int], proportion: float) -> float:
    """How far the shape of ``size`` is from ``proportion``, as a logarithm: near 0, the share that would be cut off."""
    return abs(math.log(size[0] / size[1] / proportion))


def _as_text(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    if not isinstance(value, str):
        raise TypeError(name)
    return clean_text(value)


def _as_whole(name: str, value: Any, values: Values, facts: ModelFacts | None) -> int:
    low, high = limits(name, values, facts)
    return max(int(low), min(int(high), int(value)))


def _as_frames(name: str, value: Any, values: Values, facts: ModelFacts | None) -> int:
    frames = _as_whole(name, value, values, facts)
    return facts.film.nearest_frames(frames) if facts and facts.film else frames


def _as_number(name: str, value: Any, values: Values, facts: ModelFacts | None) -> float:
    low, high = limits(name, values, facts)
    number = float(value)
    if math.isnan(number):
        raise ValueError(name)
    return round(max(low, min(high, number)), 2)


def _as_side(name: str, value: Any, values: Values, facts: ModelFacts | None) -> int:
    return facts.nearest_size(value, value)[0] if facts else int(value)


def _as_scheduler(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    return value if facts is None or value in facts.schedulers else facts.scheduler


def _as_dialect(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    return value if value in PROMPT_DIALECTS else A1111


def _as_schedule_type(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    scheduler = SCHEDULERS.get(values["scheduler"])
    return value if scheduler is None or value in scheduler.schedule_types else scheduler.schedule_types[0]


def _as_enlargement(name: str, value: Any, values: Values, facts: ModelFacts | None) -> int:
    """One enlarger offers one factor, so that any other means: enlarge."""
    factor = facts.enlarge if facts else int(value)
    return factor if int(value) > 1 else 1


def _as_switch(name: str, value: Any, values: Values, facts: ModelFacts | None) -> bool:
    return bool(value)


def _as_kind(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    kinds = facts.kinds if facts else (PICTURE,)
    return value if value in kinds else kinds[0]


def _as_motion_model(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    known = facts.motion_models if facts else ()
    return value if value in known else (*known, "")[0]


def _as_autoencoder(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    return value if facts and value in facts.autoencoders else ""


def _as_refiner(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    """One that is not there stays, and is complained of: a recipe without it would make another picture."""
    return _as_text(name, value, values, facts) if facts and "refiner" in facts.controls else ""


def _as_start_use(name: str, value: Any, values: Values, facts: ModelFacts | None) -> str:
    """Only a film goes on from something."""
    possible = facts is not None and "extend" in facts.controls and values["kind"] == FILM and values["start"]
    return EXTEND if value == EXTEND and possible else VARY


_LIMITS: dict[str, tuple[float, float]] = {
    "guidance_scale": (0.0, MAX_GUIDANCE),
    "refiner_at": (0.01, 0.99),
    "seed": (0, MAX_SEED),
    "count": (1, MAX_COUNT),
    "fps": (1, MAX_FPS),
    "motion_bucket": (0, MAX_MOTION_BUCKET),
    "noise_augmentation": (0.0, 1.0),
    "strength": (0.0, 1.0),
}
_FIT: dict[str, Fit] = {
    "prompt_dialect": _as_dialect,
    "kind": _as_kind,
    "width": _as_side,
    "height": _as_side,
    "steps": _as_whole,
    "guidance_scale": _as_number,
    "scheduler": _as_scheduler,
    "schedule_type": _as_schedule_type,
    "clip_skip": _as_whole,
    "vae": _as_autoencoder,
    "refiner": _as_refiner,
    "refiner_at": _as_number,
    "seed": _as_whole,
    "seed_locked": _as_switch,
    "count": _as_whole,
    "enlarge": _as_enlargement,
    "frames": _as_frames,
    "fps": _as_whole,
    "loop": _as_switch,
    "motion_model": _as_motion_model,
    "motion_bucket": _as_whole,
    "noise_augmentation": _as_number,
    "start_use": _as_start_use,
    "strength": _as_number,
}
