"""The request being composed: what the controls show, valid for the chosen model at every moment."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from desktop_app.core.catalog import SCHEDULERS, ModelFacts
from desktop_app.core.errors import RequestError
from desktop_app.core.messages import Message
from desktop_app.core.request import (
    MAX_COUNT,
    MAX_DRAWN_SEED,
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    RANDOM_SEED,
    GenerationRequest,
    clean_text,
    default_request,
    problems,
)
from desktop_app.prompt.surprise import surprise
from desktop_app.prompt.vocabulary import synonyms_in, unknown_words
from desktop_app.studio.background import Background
from desktop_app.studio.model_list import ModelList

FIELDS = (
    "prompt",
    "negative_prompt",
    "model",
    "width",
    "height",
    "steps",
    "guidance_scale",
    "scheduler",
    "schedule_type",
    "seed",
    "seed_locked",
    "count",
    "enlarge",
)
RECALLS: dict[str, tuple[str, ...]] = {
    "all": FIELDS,
    "prompt": ("prompt", "negative_prompt"),
    "seed": ("seed", "seed_locked"),
    "remix": tuple(field for field in FIELDS if field not in ("seed", "seed_locked", "count")),
}
_OF_THE_MODEL = ("width", "height", "steps", "guidance_scale", "scheduler", "schedule_type", "enlarge")
_SAVE_AFTER_MS = 400


class Draft(QObject):
    """Values by name (:data:`FIELDS`), clamped and snapped to what the model takes; kept in a file as they change."""

    changed = Signal(str)
    """Name of the field that changed."""
    facts_changed = Signal()
    """Another model is chosen, or the list of models changed."""

    def __init__(self, models: ModelList, session: Path, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._models = models
        self._session = session
        self._background = background
        self._values: dict[str, Any] = {
            **dict.fromkeys(("prompt", "negative_prompt", "model", "scheduler", "schedule_type"), ""),
            **{"width": 0, "height": 0, "steps": 1, "guidance_scale": 1.0},
            **{"seed": 0, "seed_locked": False, "count": 1, "enlarge": 1},
        }
        self._before_recall: dict[str, Any] | None = None
        self._timer = QTimer(self, singleShot=True, interval=_SAVE_AFTER_MS)
        self._timer.timeout.connect(self.save)
        self._restore()
        models.changed.connect(self._models_changed)
        self.changed.connect(self._save_soon)

    # -- values

    def value(self, name: str) -> Any:
        return self._values[name]

    def set_value(self, name: str, value: Any) -> None:
        """Take a value, clamped or snapped to what the model takes. ``KeyError`` for an unknown field."""
        if name == "model":
            self._choose(value)
            return
        self._put(name, self._fit(name, value))
        if name == "scheduler":
            self._put("schedule_type", self._fit("schedule_type", self.value("schedule_type")))
            self._put("steps", self._fit("steps", self.value("steps")))

    def set_size(self, width: float, height: float) -> None:
        """Take the nearest size in px that the model makes."""
        self.set_value("width", width)
        self.set_value("height", height)

    def reset(self, name: str) -> None:
        """Back to the model's own default."""
        if self.facts is not None:
            default = default_request(self.facts)
            self.set_value(name, getattr(default, name) if hasattr(default, name) else False)

    def new_seed(self) -> None:
        """Draw a seed and hold on to it."""
        self.set_value("seed", random.SystemRandom().randint(0, MAX_DRAWN_SEED))
        self.set_value("seed_locked", True)

    def surprise(self) -> None:
        """Put a sentence of the model's own phrases into the prompt; a model without such phrases leaves it alone."""
        if self.facts and self.facts.surprise:
            sentence = surprise(self.facts.surprise, random.SystemRandom(), shown=self.value("prompt"))
            self.set_value("prompt", sentence)

    def limits(self, name: str) -> tuple[float, float]:
        """Lowest and highest value of a number field."""
        facts = self.facts
        if name in ("width", "height"):
            return (facts.min_size, facts.max_size) if facts else (0, 0)
        if name == "steps":
            scheduler = SCHEDULERS.get(self.value("scheduler"))
            return (1, min(MAX_STEPS, scheduler.max_steps) if scheduler else MAX_STEPS)
        return {"guidance_scale": (0.0, MAX_GUIDANCE), "seed": (0, MAX_SEED), "count": (1, MAX_COUNT)}[name]

    # -- the model

    @property
    def facts(self) -> ModelFacts | None:
        """Of the chosen model; None when there is no model at all."""
        return self._models.by_key(self.value("model"))

    @property
    def models(self) -> tuple[ModelFacts, ...]:
        return self._models.models

    def unknown_words(self) -> list[tuple[int, int]]:
        """(start, length) of the words of the prompt that the chosen model has never seen."""
        return unknown_words(self.value("prompt"), frozenset(self.facts.vocabulary)) if self.facts else []

    def synonyms(self) -> list[tuple[int, int, str]]:
        """(start, length, what it stands for) of the words of the prompt that the chosen model takes for another."""
        return synonyms_in(self.value("prompt"), self.facts.synonyms) if self.facts else []

    # -- the request

    def request(self) -> GenerationRequest:
        """The job as it stands: with a random seed unless the seed is locked."""
        fields = {name: self.value(name) for name in FIELDS if name not in ("seed", "seed_locked")}
        return GenerationRequest(seed=self.value("seed") if self.value("seed_locked") else RANDOM_SEED, **fields)

    def problem(self) -> Message | None:
        """Why nothing can be generated now, or None."""
        if self.facts is None:
            damaged = self._models.problems
            return damaged[0] if damaged else Message("model.none")
        found = problems(self.request(), self.facts)
        return found[0].message if found else None

    def recall(self, request: GenerationRequest, what: str) -> None:
        """Take values from a recipe: "all", "prompt", "seed" or "remix" (all but the seed). Undone by one call."""
        before = dict(self._values)
        wanted = RECALLS[what]
        values = {name: getattr(request, name) for name in wanted if name != "seed_locked"}
        if "seed" in values:
            values["seed_locked"] = request.seed != RANDOM_SEED
        self._set_all(values)
        self._before_recall = before

    def undo_recall(self) -> bool:
        """Put back what stood before the last recall; whether there was one."""
        if self._before_recall is None:
            return False
        self._set_all(self._before_recall)
        self._before_recall = None
        return True

    # -- keeping

    def save(self) -> None:
        """Write the values in the background, now."""
        self._timer.stop()
        self._background.write(self._session, json.dumps(self._values, ensure_ascii=False).encode())

    def _save_soon(self) -> None:
        self._timer.start()

    def _restore(self) -> None:
        try:
            stored = json.loads(self._session.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            stored = {}
        self._choose(str(stored.get("model", "")) if isinstance(stored, dict) else "")
        if isinstance(stored, dict):
            self._set_all({name: stored[name] for name in FIELDS if name in stored and name != "model"})

    def _set_all(self, values: dict[str, Any]) -> None:
        """Take several values; the model first, because the others must fit it. Unusable ones are left out."""
        if "model" in values and self._models.by_key(values["model"]):
            self._choose(values["model"])
        for name in FIELDS:
            if name in values and name != "model":
                try:
                    self.set_value(name, values[name])
                except (TypeError, ValueError, RequestError):
                    continue

    def _choose(self, key: str) -> None:
        """Choose a model, or the first there is; its own defaults apply."""
        models = self.models
        chosen = self._models.by_key(key) or (models[0] if models else None)
        if chosen is None or chosen.key == self.value("model"):
            return
        self._put("model", chosen.key)
        default = default_request(chosen)
        for name in _OF_THE_MODEL:
            self._put(name, getattr(default, name))
        self.facts_changed.emit()

    def _models_changed(self) -> None:
        if self.facts is None:
            self._choose("")
        self.facts_changed.emit()

    def _put(self, name: str, value: Any) -> None:
        if self._values[name] != value:
            self._values[name] = value
            self.changed.emit(name)

    def _fit(self, name: str, value: Any) -> Any:
        """The nearest value of the right type that the model takes. Raises ``TypeError`` or ``ValueError``."""
        return _FIT.get(name, _as_text)(self, name, value)


def _as_text(draft: Draft, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(name)
    return clean_text(value)


def _as_whole(draft: Draft, name: str, value: Any) -> int:
    low, high = draft.limits(name)
    return max(int(low), min(int(high), int(value)))


def _as_number(draft: Draft, name: str, value: Any) -> float:
    low, high = draft.limits(name)
    number = float(value)
    if number != number:
        raise ValueError(name)
    return round(max(low, min(high, number)), 2)


def _as_side(draft: Draft, name: str, value: Any) -> int:
    return draft.facts.nearest_size(value, value)[0] if draft.facts else int(value)


def _as_scheduler(draft: Draft, name: str, value: Any) -> str:
    facts = draft.facts
    return value if facts is None or value in facts.schedulers else facts.scheduler


def _as_schedule_type(draft: Draft, name: str, value: Any) -> str:
    scheduler = SCHEDULERS.get(draft.value("scheduler"))
    return value if scheduler is None or value in scheduler.schedule_types else scheduler.schedule_types[0]


def _as_enlargement(draft: Draft, name: str, value: Any) -> int:
    """One enlarger offers one factor, so that any other means: enlarge."""
    factor = draft.facts.enlarge if draft.facts else int(value)
    return factor if int(value) > 1 else 1


def _as_switch(draft: Draft, name: str, value: Any) -> bool:
    return bool(value)


_FIT: dict[str, Callable[[Draft, str, Any], Any]] = {
    "width": _as_side,
    "height": _as_side,
    "steps": _as_whole,
    "guidance_scale": _as_number,
    "scheduler": _as_scheduler,
    "schedule_type": _as_schedule_type,
    "seed": _as_whole,
    "seed_locked": _as_switch,
    "count": _as_whole,
    "enlarge": _as_enlargement,
}
